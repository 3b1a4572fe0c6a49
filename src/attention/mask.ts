import type { MaskFault, MaskSummary, TensorData } from '../types.js';

/** Tokens on which a mask is evaluated. */
export interface MaskProbe {
  size: number;
  length: number;
  /** [size, length], 1 on real tokens. */
  attentionMask: ArrayLike<bigint>;
}

/** Which keys a query may attend to, on any batch. */
export type MaskRule = Pick<MaskSummary, 'causal' | 'padding' | 'window'>;

/** What a site has for a mask. */
export interface SiteMask {
  /** Additive (0 allows) or boolean (true allows), broadcastable to [B,heads,S,T]; null for none. */
  tensor: TensorData | null;
  /** Whether the operator masks causally besides. */
  operatorCausal: boolean;
}

/** `faults` are where the mask does otherwise than its own summary says. */
export type MaskAnalysis = { mask: MaskSummary; faults: MaskFault[] } | { problem: string };

/** Scores below this after masking have no weight in any softmax; a milder number is a bias, not a mask. */
const WEAKEST_FILL = -1e3;

/**
 * Tells what a mask does by looking at its values: which keys it allows each query, and how.
 *
 * @param probe row 0 full, the last row left-padded
 */
export function analyseMask(site: SiteMask, probe: MaskProbe): MaskAnalysis {
  const { size, length } = probe;
  const view = maskView(site, probe);
  if ('problem' in view) return view;
  const padded = size - 1;
  const firstValid = Array.from({ length }, (_, k) => k).findIndex(
    (k) => probe.attentionMask[padded * length + k] === 1n,
  );
  const allows = (b: number, q: number, k: number): boolean => view.at(b, 0, q, k) === 0;
  let reach = 0;
  for (let k = 0; k < length; k++) if (allows(0, length - 1, k)) reach++;
  const rule: MaskRule = {
    causal: !allows(0, 0, length - 1),
    // The nearest padding key, so that a sliding window is not what hides it (unless the window is one token).
    padding: !allows(padded, firstValid, firstValid - 1),
    window: reach > 0 && reach < length ? reach : null,
  };
  const { fill, faults } = compareMask(site, probe, rule);
  return {
    mask: {
      form: site.tensor === null ? 'none' : site.tensor.type === 'bool' ? 'boolean' : 'additive',
      ...rule,
      fill,
    },
    faults,
  };
}

/**
 * Compares every value of a mask with what a rule asks for on these tokens. Rows whose query may attend to no key are
 * not judged: exporters fill them at will.
 *
 * @returns the most frequent fill of masked scores (null for a boolean mask, or where nothing is masked), and of each
 *   kind of deviation the first by row, query and key
 */
export function compareMask(
  site: SiteMask,
  probe: MaskProbe,
  rule: MaskRule,
): { fill: number | null; faults: MaskFault[] } {
  const view = maskView(site, probe);
  if ('problem' in view) throw new Error(view.problem);
  const { causal, padding, window } = rule;
  const { size, length } = probe;
  const fills = new Map<number, number>();
  const faults = new Map<MaskFault['kind'], MaskFault>();
  const allowed = new Uint8Array(length);
  for (let b = 0; b < size; b++) {
    const isPadding = (k: number): boolean => padding && probe.attentionMask[b * length + k] !== 1n;
    for (let q = 0; q < length; q++) {
      for (let k = 0; k < length; k++)
        allowed[k] = Number(
          (!causal || k <= q) && !isPadding(k) && (window === null || q - k < window),
        );
      if (!allowed.includes(1)) continue;
      for (let h = 0; h < view.heads; h++) {
        for (let k = 0; k < length; k++) {
          const value = view.at(b, h, q, k);
          const kind = faultOf(value, allowed[k] === 1, () =>
            causal && k > q ? 'future' : isPadding(k) ? 'padding' : 'beyond-window',
          );
          if (kind === null) {
            if (value !== 0 && view.isAdditive) fills.set(value, (fills.get(value) ?? 0) + 1);
          } else if (!faults.has(kind))
            faults.set(kind, {
              kind,
              query: q,
              key: k,
              value: kind === 'fill' || kind === 'bias' ? value : null,
            });
        }
      }
    }
  }
  return {
    fill: [...fills].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null,
    faults: [...faults.values()],
  };
}

/** Why a mask cannot be that of a batch; null where it can. */
export function maskProblem(site: SiteMask, probe: MaskProbe): string | null {
  const view = maskView(site, probe);
  return 'problem' in view ? view.problem : null;
}

/** What is wrong with one value; null for nothing. */
function faultOf(
  value: number,
  isAllowed: boolean,
  forbidden: () => MaskFault['kind'],
): MaskFault['kind'] | null {
  const hides = value <= WEAKEST_FILL;
  if (isAllowed) return value === 0 ? null : hides ? 'hidden' : 'bias';
  return hides ? null : value === 0 ? forbidden() : 'fill';
}

interface MaskView {
  heads: number;
  isAdditive: boolean;
  /** What is added to the score: 0 where the query may attend to the key, −Infinity where a boolean mask or the operator forbids it. */
  at(b: number, h: number, q: number, k: number): number;
}

function maskView(
  { tensor, operatorCausal }: SiteMask,
  { size, length }: MaskProbe,
): MaskView | { problem: string } {
  if (tensor === null)
    return {
      heads: 1,
      isAdditive: false,
      at: (_b, _h, q, k) => (operatorCausal && k > q ? -Infinity : 0),
    };
  const dims = [...Array.from({ length: 4 - tensor.dims.length }, () => 1), ...tensor.dims];
  const [batch = 0, heads = 0, queries = 0, keys = 0] = dims;
  const fits = (dim: number, wanted: number): boolean => dim === wanted || dim === 1;
  if (
    dims.length !== 4 ||
    !fits(batch, size) ||
    !fits(queries, length) ||
    (keys !== 1 && keys < length)
  ) {
    return { problem: `its mask has shape [${tensor.dims.join(',')}], not [batch,1,query,key]` };
  }
  const boolean = tensor.type === 'bool';
  const along = (dim: number, i: number): number => (dim === 1 ? 0 : i);
  return {
    heads,
    isAdditive: !boolean,
    at: (b, h, q, k) => {
      if (operatorCausal && k > q) return -Infinity;
      const value = Number(
        tensor.data[
          ((along(batch, b) * heads + h) * queries + along(queries, q)) * keys + along(keys, k)
        ],
      );
      return boolean ? (value === 0 ? -Infinity : 0) : value;
    },
  };
}
