/** What is found of a model's file before anything is run. */

/** What is wrong with one value of a file's mask. */
export const MASK_FAULTS = [
  'future',
  'padding',
  'beyond-window',
  'hidden',
  'fill',
  'bias',
] as const;

/**
 * Where a file's mask does otherwise than config.json asks for: it lets a query attend to a key in its `future`, to
 * `padding`, or `beyond-window`; it keeps an allowed key `hidden`; it adds a `fill` that does not mask, or a `bias` to an
 * allowed key.
 */
export interface MaskFault {
  kind: (typeof MASK_FAULTS)[number];
  /** Positions in the row, padding included. */
  query: number;
  key: number;
  /** What is added to the score, of `fill` and `bias`; null for others. */
  value: number | null;
}

export interface LeftOut {
  implementation: string;
  problem: string;
}

/** What of a layer's attention a cast is on. */
export const CAST_PLACES = ['query', 'key', 'value', 'scores', 'probabilities', 'output'] as const;

export interface StrayCast {
  place: (typeof CAST_PLACES)[number];
  /** The Cast node. */
  node: string;
  from: 'fp64' | 'fp32' | 'fp16' | 'bf16';
  to: 'fp16' | 'bf16';
}
