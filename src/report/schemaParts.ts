import { z } from 'zod';

/** What JSON has no number for. */
export const NON_FINITE = ['NaN', 'Infinity', '-Infinity'] as const;
type NonFinite = (typeof NON_FINITE)[number];

/** A document with its non-finite strings read as numbers. */
export type Decoded<T> = T extends NonFinite ? number : T extends object ? { [K in keyof T]: Decoded<T[K]> } : T;
export type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/* oxlint-disable typescript/explicit-function-return-type -- zod's types are what it infers */
export const metric = (description: string) => z.union([z.number(), z.enum(NON_FINITE)]).describe(`${description} NaN and ±Infinity are strings.`);
export const count = (description: string) => z.int().nonnegative().describe(description);
export const text = (description: string) => z.string().describe(description);
/* oxlint-enable typescript/explicit-function-return-type */

export const oneLayer = z.int().nonnegative().describe('Layer, counted from 0.');
export const label = text('Label of the implementation: `eager`, `eager#2`.');
export const batchName = text('Name of the batch.');
export const position = z.int().nonnegative().nullable()
  .describe('Smallest sequence position that diverges: ‖Δ‖ > 1e-4 · ‖reference‖, or not finite; null where none does.');
export const relL2 = metric('Relative L2 on valid tokens.');
export const limit = metric('The relative L2 that rounding explains at the precision of the model.');

export const environment = z.strictObject({
  attnDiff: text('Version of attn-diff.'),
  node: text('Version of Node.js.'),
  onnxruntime: text('Version of onnxruntime-node.'),
  platform: text('Operating system.'),
  arch: text('Processor architecture.'),
  cpu: text('Processor model.'),
});
