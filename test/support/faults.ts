import { mulberry32 } from '../../src/batch/random.js';
import type { Cause, Deviation, ImplementationName } from '../../src/types.js';

/** A fault to plant in one layer of one implementation, and what it is to be called. */
export interface Fault {
  name: string;
  deviation: Deviation;
  /** What may be planted with it: fused kernels take no rounding, and flash no mask. */
  implementations: readonly Exclude<ImplementationName, 'original'>[];
  cause: Cause | 'non-finite';
}

export interface FaultPlace {
  heads: number;
  kvHeads: number;
  headDim: number;
  length: number;
  /** Sliding window of the layer, null without. */
  window: number | null;
  inverseFrequencies: readonly number[];
}

const ANY = ['eager', 'sdpa', 'flash'] as const;
const MASKED = ['eager', 'sdpa'] as const;

type Random = () => number;
const between = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1));
const sign = (random: Random): number => (random() < 0.5 ? -1 : 1);

/** One of each fault that the issue of the bench names, with a magnitude drawn at random. */
export const FAULTS: ((random: Random, place: FaultPlace) => Fault)[] = [
  (random) => ({
    name: 'wrong scale',
    deviation: { kind: 'scale', factor: 2 ** (sign(random) * 10 ** (-3 + 3 * random())) },
    implementations: ANY,
    cause: 'scale-mismatch',
  }),
  (random) => ({
    name: 'mask shifted by one',
    deviation: { kind: 'mask-shift', by: sign(random) },
    implementations: MASKED,
    cause: 'mask-shift',
  }),
  () => ({
    name: 'mask on the wrong side',
    deviation: { kind: 'padding-side' },
    implementations: MASKED,
    cause: 'padding-side',
  }),
  (random, { window, length }) => ({
    name: window === null ? 'a window where there is none' : 'window off by one',
    deviation: {
      kind: 'window',
      to: window === null ? between(random, 2, length - 2) : window + sign(random),
    },
    implementations: ANY,
    cause: 'window-mismatch',
  }),
  () => ({
    name: 'causal dropped',
    deviation: { kind: 'mask-ignored', part: 'causal' },
    implementations: MASKED,
    cause: 'mask-ignored',
  }),
  () => ({
    name: 'padding ignored',
    deviation: { kind: 'mask-ignored', part: 'padding' },
    implementations: MASKED,
    cause: 'mask-ignored',
  }),
  (random, { heads }) => {
    const order = Array.from({ length: heads }, (_, head) => head);
    const a = between(random, 0, heads - 1);
    const b = (a + between(random, 1, heads - 1)) % heads;
    [order[a], order[b]] = [b, a];
    return {
      name: 'two heads swapped',
      deviation: { kind: 'head-order', order },
      implementations: ANY,
      cause: 'head-mapping',
    };
  },
  () => ({
    name: 'wrong KV-head mapping',
    deviation: { kind: 'kv-mapping' },
    implementations: ANY,
    cause: 'head-mapping',
  }),
  (random, { inverseFrequencies }) => ({
    name: 'positions off',
    deviation: { kind: 'positions', by: sign(random) * between(random, 1, 2), inverseFrequencies },
    implementations: ANY,
    cause: 'position-ids',
  }),
  () => ({
    name: 'scores rounded to bf16',
    deviation: { kind: 'scores-precision', to: 'bf16' },
    implementations: ['eager'],
    cause: 'low-precision-scores',
  }),
  () => ({
    name: 'scores rounded to fp16',
    deviation: { kind: 'scores-precision', to: 'fp16' },
    implementations: ['eager'],
    cause: 'low-precision-scores',
  }),
  (random) => ({
    name: 'denormal flush',
    deviation: { kind: 'flush', below: [2 ** -14, 2 ** -24, 2 ** -126][between(random, 0, 2)]! },
    implementations: ['eager'],
    cause: 'underflow',
  }),
  (random, { heads }) => ({
    name: 'one NaN in one head',
    deviation: { kind: 'nan', head: between(random, 0, heads - 1) },
    implementations: ANY,
    cause: 'non-finite',
  }),
];

/** The i-th fault of a series, seeded: the kinds in turn, the rest at random. */
export function faultAt(
  i: number,
  place: (layer: number) => FaultPlace,
  layers: number,
): {
  fault: Fault;
  layer: number;
  implementation: Fault['implementations'][number];
  random: Random;
} {
  const random = mulberry32(1000 + i);
  const layer = between(random, 0, layers - 1);
  const fault = FAULTS[i % FAULTS.length]!(random, place(layer));
  return {
    fault,
    layer,
    implementation: fault.implementations[between(random, 0, fault.implementations.length - 1)]!,
    random,
  };
}
