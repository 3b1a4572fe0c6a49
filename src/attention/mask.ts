import type { MaskSummary, TensorData } from '../types.js';

/** Tokens of the probe on which a mask is evaluated: row 0 is full, row 1 is left-padded. */
export interface MaskProbe {
  size: number;
  length: number;
  /** [size, length], 1 on real tokens. */
  attentionMask: ArrayLike<bigint>;
}

export type MaskAnalysis = { mask: MaskSummary } | { problem: string };

/** Scores below this after masking have no weight in any softmax; a milder number is a bias, not a mask. */
const WEAKEST_FILL = -1e3;

/**
 * Tells what a mask tensor does by looking at its values: which keys it allows each query, and how.
 * Rows whose query may look at no key are not judged: exporters fill them at will.
 *
 * @param tensor [B|1, heads|1, S, T] additive (0 allows) or boolean (true allows)
 */
export function analyseMask(tensor: TensorData, probe: MaskProbe): MaskAnalysis {
  const { size, length } = probe;
  const [batch = 0, heads = 0, queries = 0, keys = 0] = tensor.dims;
  if (tensor.dims.length !== 4 || (batch !== size && batch !== 1) || queries !== length || keys < length) {
    return { problem: `its mask has shape [${tensor.dims.join(',')}], not [batch,1,query,key]` };
  }
  const at = (b: number, h: number, q: number, k: number): number =>
    Number(tensor.data[(((batch === 1 ? 0 : b) * heads + h) * queries + q) * keys + k]);
  const boolean = tensor.type === 'bool';
  const isAllowed = (value: number): boolean => (boolean ? value !== 0 : value === 0);
  const valid = (b: number, k: number): boolean => Number(probe.attentionMask[b * length + k]) === 1;

  const causal = !isAllowed(at(0, 0, 0, length - 1));
  const padded = size - 1;
  const firstValid = Array.from({ length }, (_, k) => k).findIndex((k) => valid(padded, k));
  // The nearest padding key, so that a sliding window is not what hides it (unless the window is one token).
  const padding = !isAllowed(at(padded, 0, firstValid, firstValid - 1));
  const reach = countAllowed((k) => isAllowed(at(0, 0, length - 1, k)), length);
  const window = reach < length ? reach : null;

  const fills = new Map<number, number>();
  for (let b = 0; b < size; b++) {
    for (let q = 0; q < length; q++) {
      const expected = (k: number): boolean => (!causal || k <= q) && (!padding || valid(b, k)) && (window === null || q - k < window);
      if (countAllowed(expected, length) === 0) continue;
      for (let h = 0; h < heads; h++) {
        for (let k = 0; k < length; k++) {
          const value = at(b, h, q, k);
          if (isAllowed(value) !== expected(k)) return { problem: `its mask ${isAllowed(value) ? 'lets' : 'keeps'} query ${q} ${isAllowed(value) ? 'see' : 'from'} key ${k}, unlike a causal padding mask` };
          if (boolean || isAllowed(value)) continue;
          if (!(value <= WEAKEST_FILL)) return { problem: `its mask adds ${value}, a bias rather than a mask` };
          fills.set(value, (fills.get(value) ?? 0) + 1);
        }
      }
    }
  }
  const fill = [...fills].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
  return { mask: { form: boolean ? 'boolean' : 'additive', fill, causal, padding, window } };
}

function countAllowed(allowed: (key: number) => boolean, length: number): number {
  let count = 0;
  for (let k = 0; k < length; k++) if (allowed(k)) count++;
  return count;
}
