import type { MaskSummary, TensorData } from '../types.js';

/** Tokens on which a mask is evaluated. */
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
 *
 * @param tensor [B|1, heads|1, S, T] additive (0 allows) or boolean (true allows)
 * @param probe row 0 full, the last row left-padded
 */
export function analyseMask(tensor: TensorData, probe: MaskProbe): MaskAnalysis {
  const { size, length } = probe;
  const view = maskView(tensor, probe);
  if ('problem' in view) return view;
  const padded = size - 1;
  const firstValid = Array.from({ length }, (_, k) => k).findIndex((k) => probe.attentionMask[padded * length + k] === 1n);
  let reach = 0;
  for (let k = 0; k < length; k++) if (view.isAllowed(view.at(0, 0, length - 1, k))) reach++;
  const summary: Omit<MaskSummary, 'fill'> = {
    form: tensor.type === 'bool' ? 'boolean' : 'additive',
    causal: !view.isAllowed(view.at(0, 0, 0, length - 1)),
    // The nearest padding key, so that a sliding window is not what hides it (unless the window is one token).
    padding: !view.isAllowed(view.at(padded, 0, firstValid, firstValid - 1)),
    window: reach < length ? reach : null,
  };
  const compared = compareMask(tensor, probe, summary);
  return 'problem' in compared ? compared : { mask: { ...summary, fill: compared.fill } };
}

/**
 * Holds every value of a mask against what a causal padding mask, with a window perhaps, would be on these tokens.
 * Rows whose query may look at no key are not judged: exporters fill them at will.
 *
 * @returns the most frequent fill of masked scores (null for a boolean mask, or where nothing is masked), or the
 *   first value that is otherwise
 */
export function compareMask(tensor: TensorData, probe: MaskProbe, { causal, padding, window }: Pick<MaskSummary, 'causal' | 'padding' | 'window'>): { fill: number | null } | { problem: string } {
  const view = maskView(tensor, probe);
  if ('problem' in view) return view;
  const { size, length } = probe;
  const fills = new Map<number, number>();
  const allowed = new Uint8Array(length);
  for (let b = 0; b < size; b++) {
    for (let q = 0; q < length; q++) {
      for (let k = 0; k < length; k++) allowed[k] = Number((!causal || k <= q) && (!padding || probe.attentionMask[b * length + k] === 1n) && (window === null || q - k < window));
      if (!allowed.includes(1)) continue;
      for (let h = 0; h < view.heads; h++) {
        for (let k = 0; k < length; k++) {
          const value = view.at(b, h, q, k);
          const lets = view.isAllowed(value);
          if (lets !== (allowed[k] === 1)) return { problem: `its mask ${lets ? 'lets' : 'keeps'} query ${q} ${lets ? 'see' : 'from'} key ${k}, unlike a causal padding mask` };
          if (lets || tensor.type === 'bool') continue;
          if (!(value <= WEAKEST_FILL)) return { problem: `its mask adds ${value}, a bias rather than a mask` };
          fills.set(value, (fills.get(value) ?? 0) + 1);
        }
      }
    }
  }
  return { fill: [...fills].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null };
}

interface MaskView {
  heads: number;
  at(b: number, h: number, q: number, k: number): number;
  isAllowed(value: number): boolean;
}

function maskView(tensor: TensorData, { size, length }: MaskProbe): MaskView | { problem: string } {
  const [batch = 0, heads = 0, queries = 0, keys = 0] = tensor.dims;
  if (tensor.dims.length !== 4 || (batch !== size && batch !== 1) || queries !== length || keys < length) {
    return { problem: `its mask has shape [${tensor.dims.join(',')}], not [batch,1,query,key]` };
  }
  const boolean = tensor.type === 'bool';
  return {
    heads,
    at: (b, h, q, k) => Number(tensor.data[(((batch === 1 ? 0 : b) * heads + h) * queries + q) * keys + k]),
    isAllowed: (value) => (boolean ? value !== 0 : value === 0),
  };
}
