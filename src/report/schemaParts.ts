import { z } from 'zod';
import { TOKEN_KINDS } from '../types.js';

/** What JSON has no number for. */
const NON_FINITE = ['NaN', 'Infinity', '-Infinity'] as const;

const anyNumber = z.custom<number>((value) => typeof value === 'number', 'it is not a number');

export type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/* oxlint-disable typescript/explicit-function-return-type -- zod's types are what it infers */
/** A number that may be NaN or infinite, which it is as a string in JSON; `z.encode` writes it and `z.decode` reads it. */
export const metric = (description: string) =>
  z.codec(z.union([z.number(), z.enum(NON_FINITE)]), anyNumber, { decode: Number, encode: (value) => (Number.isFinite(value) ? value : (String(value) as (typeof NON_FINITE)[number])) }).describe(`${description} NaN and ±Infinity are strings.`);
export const count = (description: string) => z.int().nonnegative().describe(description);
export const text = (description: string) => z.string().describe(description);
export const sha256 = (what: string) => z.string().regex(/^[0-9a-f]{64}$/, 'it is no SHA-256').describe(`SHA-256 of ${what}, in hexadecimal.`);
/* oxlint-enable typescript/explicit-function-return-type */

export const layer = z.int().nonnegative().nullable().describe('Layer, counted from 0; null where it is the logits or no one place.');
export const tap = z.enum(['attention', 'hidden', 'logits']).describe('What is measured: what leaves attention, a layer, or the model.');
export const scope = z
  .enum(['local', 'accumulated'])
  .describe('local: on the reference stream\'s Q, K, V; accumulated: in the implementation\'s own stream.');
export const kind = z
  .enum(TOKEN_KINDS)
  .describe('valid: attention_mask 1; padding: attention_mask 0; fullyMasked: padding whose query may look at no key.');

export const oneLayer = z.int().nonnegative().describe('Layer, counted from 0.');
export const label = text('Label of the implementation: `eager`, `eager#2`.');
export const batchName = text('Name of the batch.');
export const position = z.int().nonnegative().nullable()
  .describe('Smallest sequence position that diverges: ‖Δ‖ > 1e-4 · ‖reference‖, or not finite; null where none does.');
export const relL2 = metric('Relative L2 on valid tokens.');
export const limit = metric('The relative L2 that rounding explains at the precision of the model.');

export const host = z.strictObject({
  attnDiff: text('Version of attn-diff.'),
  node: text('Version of Node.js.'),
  onnxruntime: text('Version of onnxruntime-node.'),
  platform: text('Operating system.'),
  arch: text('Processor architecture.'),
  cpu: text('Processor model.'),
});

export const environment = host.extend({
  gpu: z.string().nullable().describe('Name and driver of the GPU that a provider ran on, or may have; unknown where nothing tells; null where all ran on the CPU provider.'),
});
