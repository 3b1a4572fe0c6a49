import type { TensorData } from '../../types.js';
import { LITTLE, PROBE_TOKENS, probeVector, ROW } from './probeRows.js';
import { distance, fitRotary, norm, type RotaryFit } from './rotaryFit.js';

/** What lies between a projection and one head of a site. */
export interface HeadPath {
  /** First element of the projection's result that the head is made of. */
  offset: number;
  /** What the elements are multiplied with, a rotary embedding's amplitude included; null behind a norm, whose weight has it. */
  gain: number | null;
  /** Epsilon of the norm; null without one. */
  epsilon: number | null;
  isNormed: boolean;
  rotary: RotaryFit | 'none' | null;
}

/** What lies between a projection and the heads of a site. */
export interface Paths {
  /** In the order of the site's heads; null for one whose way is not understood. */
  heads: (HeadPath | null)[];
  /** Whether a projection of zeros gives something else: a bias that is not zero. */
  isShifted: boolean;
}

/** Relative L2 within which what a part computes is taken for what it should: float32, and half precision or 8-bit tables. */
export const ROUNDING = { fine: 1e-4, coarse: 2 ** -8 } as const;

/**
 * Reads the paths of all heads from what a probe became.
 *
 * @param tensor [rows, heads, tokens, D], or [rows, tokens, H·D] with `headDim` for what enters the output projection
 * @param width length of the projection's last axis
 */
export function readPaths(
  tensor: TensorData,
  width: number,
  headDim: number,
  rounding: number,
): Paths | null {
  const view = headView(tensor, headDim);
  if (!view) return null;
  const { heads, at } = view;
  const zero = Array.from({ length: heads }, (_, head) => norm(at(ROW.zero, head, 0)));
  return {
    heads: Array.from({ length: heads }, (_, head) =>
      readPath((row, token) => at(row, head, token), width, headDim, rounding),
    ),
    isShifted: zero.some((length) => length !== 0),
  };
}

/** Twice the input changes a norm's result by no more than this, whatever its epsilon. */
const NORMED = 0.1;

type Values = Float64Array;

function headView(
  { dims, data }: TensorData,
  headDim: number,
): { heads: number; at: (row: number, head: number, token: number) => Values } | null {
  const byHead = dims.length === 4;
  const heads = byHead ? dims[1]! : dims[2]! / headDim;
  if (
    !Number.isInteger(heads) ||
    (byHead
      ? dims[3] !== headDim || dims[2] !== PROBE_TOKENS
      : dims.length !== 3 || dims[1] !== PROBE_TOKENS)
  )
    return null;
  return {
    heads,
    at: (row, head, token) => {
      const block = byHead
        ? (row * heads + head) * PROBE_TOKENS + token
        : (row * PROBE_TOKENS + token) * heads + head;
      return Float64Array.from({ length: headDim }, (_, i) => Number(data[block * headDim + i]));
    },
  };
}

function readPath(
  at: (row: number, token: number) => Values,
  width: number,
  headDim: number,
  rounding: number,
): HeadPath | null {
  const [first, second] = [probeVector(width, 'first'), probeVector(width, 'second')];
  const zeros = Array.from({ length: PROBE_TOKENS }, (_, token) => at(ROW.zero, token));
  const own = (row: number, token: number): Values =>
    at(row, token).map((value, i) => value - zeros[token]![i]!);
  const response = {
    first: own(ROW.first, 0),
    second: own(ROW.second, 0),
    twice: own(ROW.twice, 0),
  };
  const length = norm(response.first);
  if (!(length > 0) || !Number.isFinite(length)) return null;
  const isLinear =
    distance(
      response.twice,
      response.first.map((value) => 2 * value),
    ) <=
    rounding * length * 4;
  // Behind a norm, a bias would turn the vector before it is scaled: that is not taken apart.
  const isNormed =
    !isLinear &&
    norm(zeros[0]!) === 0 &&
    distance(response.twice, response.first) <= NORMED * length;
  if (!isLinear && !isNormed) return null;
  const slices = (offset: number): [Values, Values] => [
    first.slice(offset, offset + headDim),
    second.slice(offset, offset + headDim),
  ];
  const turned = [ROW.first, ROW.second].map((row) =>
    Array.from({ length: PROBE_TOKENS }, (_, token) => own(row, token)),
  );
  for (let offset = 0; offset + headDim <= width; offset += headDim) {
    const before = slices(offset);
    const growth =
      norm(response.first) / norm(before[0]) / (norm(response.second) / norm(before[1]));
    if (!isNormed && !(Math.abs(growth - 1) <= 4 * rounding)) continue;
    if (isNormed) {
      if (!isWeighted([response.first, response.second], before, rounding)) continue;
      return {
        offset,
        gain: null,
        isNormed,
        epsilon: epsilonOf(before[0], response.first, own(ROW.little, 0)),
        rotary: fitRotary(
          turned.map(([start]) => start!),
          turned,
          rounding,
        ),
      };
    }
    const rotary = fitRotary(before, turned, rounding);
    const gain =
      rotary === null
        ? null
        : rotary === 'none'
          ? gainOf(response.first, before[0], rounding)
          : rotary.amplitude;
    if (gain !== null) return { offset, gain, isNormed, epsilon: null, rotary };
  }
  return null;
}

/** The factor between two vectors, null where they are not parallel. */
function gainOf(after: Values, before: Values, rounding: number): number | null {
  const gain = dot(after, before) / dot(before, before);
  return distance(
    after,
    before.map((value) => gain * value),
  ) <=
    rounding * norm(after)
    ? gain
    : null;
}

/** Whether two results are two vectors, each times one weight per element and a factor of its own. */
function isWeighted(
  [first, second]: [Values, Values],
  [x, y]: [Values, Values],
  rounding: number,
): boolean {
  const used = [...first.keys()].filter((i) => first[i] !== 0 && second[i] !== 0);
  const ratios = used.map((i) => first[i]! / x[i]! / (second[i]! / y[i]!));
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  return (
    used.length > 0 &&
    ratios.every((ratio) => Math.abs(ratio - mean) <= 4 * rounding * Math.abs(mean))
  );
}

/**
 * Epsilon of a norm x/√(mean(x²) + ε), from its results on a vector and on a little of it, c times.
 *
 * With r the second result over the first: ε = c²·mean(x²)·(1 − r²)/(r² − c²). NaN where a result is not finite.
 */
function epsilonOf(before: ArrayLike<number>, after: Values, afterLittle: Values): number {
  const ratio = dot(after, afterLittle) / dot(after, after);
  const mean = norm(before) ** 2 / before.length;
  return (LITTLE ** 2 * mean * (1 - ratio ** 2)) / (ratio ** 2 - LITTLE ** 2);
}

/** Epsilon of an RMSNorm of the residual stream, [rows, tokens, hidden]; `none` for something that scales with its input, null for anything else, such as a LayerNorm. */
export function readNorm(
  tensor: TensorData,
  hiddenSize: number,
  rounding: number,
): number | 'none' | null {
  const last = tensor.dims.at(-1)!;
  if (last !== hiddenSize) return null;
  const at = (row: number): Values =>
    Float64Array.from({ length: last }, (_, i) =>
      Number(tensor.data[row * PROBE_TOKENS * last + i]),
    );
  const [first, second, twice, little] = [
    at(ROW.first),
    at(ROW.second),
    at(ROW.twice),
    at(ROW.little),
  ];
  const length = norm(first);
  if (!(length > 0) || !Number.isFinite(length)) return null;
  if (
    distance(
      twice,
      first.map((value) => 2 * value),
    ) <=
    4 * rounding * length
  )
    return 'none';
  if (!(distance(twice, first) <= NORMED * length)) return null;
  const [x, y] = [probeVector(hiddenSize, 'first'), probeVector(hiddenSize, 'second')];
  if (!isWeighted([first, second], [x, y], rounding)) return null;
  const epsilon = epsilonOf(x, first, little);
  return Number.isFinite(epsilon) ? epsilon : null;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
