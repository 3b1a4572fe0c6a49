import { z } from 'zod';
import { TOKEN_KINDS } from '../types.js';

/** What JSON has no number for. */
const NON_FINITE = ['NaN', 'Infinity', '-Infinity'] as const;

export type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** What a number may be besides any finite one. */
interface Range {
  least: number;
  most: number;
  /** The words of JSON that it may be. */
  words: readonly (typeof NON_FINITE)[number][];
  /** What it must be, for the sentence that refuses it. */
  must: string;
}

/* oxlint-disable typescript/explicit-function-return-type -- zod's types are what it infers */
/** A number as JSON has it, and NaN and infinite ones as words; `z.encode` writes it and `z.decode` reads it, and both refuse what is out of range. */
const numberIn =
  ({ least, most, words, must }: Range) =>
  (description: string) => {
    const inRange = (value: unknown): boolean =>
      typeof value === 'number' &&
      (Number.isFinite(value)
        ? value >= least && value <= most
        : words.some((word) => word === String(value)));
    const bounds = (number: z.ZodNumber): z.ZodNumber =>
      most === Infinity
        ? least === -Infinity
          ? number
          : number.min(least, must)
        : number.min(least, must).max(most, must);
    const written = z.union([bounds(z.number()), z.enum([words[0]!, ...words.slice(1)])], {
      error: must,
    });
    return z
      .codec(written, z.custom<number>(inRange, must), {
        decode: Number,
        encode: (value) =>
          Number.isFinite(value) ? value : (String(value) as (typeof NON_FINITE)[number]),
      })
      .describe(`${description} NaN and ±Infinity are strings.`);
  };
/** Any number. */
export const metric = numberIn({
  least: -Infinity,
  most: Infinity,
  words: NON_FINITE,
  must: 'it is neither a number nor "NaN", "Infinity" or "-Infinity"',
});
/** A norm, a share, a quotient of such: from 0 on. */
export const magnitude = numberIn({
  least: 0,
  most: Infinity,
  words: ['NaN', 'Infinity'],
  must: 'it is neither a number from 0 on nor "NaN" or "Infinity"',
});
export const cosineOf = numberIn({
  least: -1,
  most: 1,
  words: ['NaN'],
  must: 'it is neither a number between -1 and 1 nor "NaN"',
});
/** KL, which float64 may round below 0. */
export const divergenceOf = numberIn({
  least: -1e-6,
  most: Infinity,
  words: ['NaN', 'Infinity'],
  must: 'it is neither a number from 0 on nor "NaN" or "Infinity"',
});
/** Elements that were counted by a graph, which may go wrong itself. */
export const elements = (description: string) =>
  magnitude(description)
    .refine(
      (value) => !Number.isFinite(value) || Number.isSafeInteger(value),
      'it is no whole number',
    )
    .refine((value) => value !== Infinity, 'it is infinite');
/** A limit, or seconds: a number from 0 on. */
export const finite = (description: string) =>
  z.number().nonnegative('it is negative').describe(description);
export const count = (description: string) => z.int().nonnegative().describe(description);
export const text = (description: string) => z.string().describe(description);
export const sha256 = (what: string) =>
  z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'it is no SHA-256')
    .describe(`SHA-256 of ${what}, in hexadecimal.`);
/* oxlint-enable typescript/explicit-function-return-type */

export const layer = z
  .int()
  .nonnegative()
  .nullable()
  .describe('Layer, counted from 0; null where it is the logits or no one place.');
export const tap = z
  .enum(['attention', 'hidden', 'logits'])
  .describe('What is measured: what leaves attention, a layer, or the model.');
export const scope = z
  .enum(['local', 'accumulated'])
  .describe(
    "local: on the reference stream's Q, K, V; accumulated: in the implementation's own stream.",
  );
export const kind = z
  .enum(TOKEN_KINDS)
  .describe(
    'valid: attention_mask 1; padding: attention_mask 0; fullyMasked: padding whose query may look at no key.',
  );

export const oneLayer = z.int().nonnegative().describe('Layer, counted from 0.');
export const label = text('Label of the implementation: `eager`, `eager#2`.');
export const batchName = text('Name of the batch.');
export const position = z
  .int()
  .nonnegative()
  .nullable()
  .describe(
    'Smallest sequence position that diverges: ‖Δ‖ > 1e-4 · ‖reference‖, or not finite; null where none does.',
  );
export const relL2 = magnitude('Relative L2 on valid tokens.');
export const limit = finite(
  'The relative L2 that rounding explains at the precision of the model.',
);

export const host = z.strictObject({
  attnDiff: text('Version of attn-diff.'),
  node: text('Version of Node.js.'),
  onnxruntime: text('Version of onnxruntime-node.'),
  platform: text('Operating system.'),
  arch: text('Processor architecture.'),
  cpu: text('Processor model.'),
});

export const environment = host.extend({
  gpu: z
    .string()
    .nullable()
    .describe(
      'Name and driver of the GPU that a provider ran on, or may have; unknown where nothing tells; null where all ran on the CPU provider.',
    ),
  cudaLibraries: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'Where the libraries of NVIDIA lie that CUDA streams ran with, by folder; null where none ran on CUDA.',
    ),
});
