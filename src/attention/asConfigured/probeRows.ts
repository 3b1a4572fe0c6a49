import { mulberry32 } from '../../batch/random.js';
import { buildBatch } from '../../batch/pad.js';
import type { Batch, TensorData } from '../../types.js';

/** Rows of a probe: nothing, two vectors, twice the first, and little of the first. */
export const ROW = { zero: 0, first: 1, second: 2, twice: 3, little: 4 } as const;
export const PROBE_ROWS = Object.keys(ROW).length;
/** Tokens of each row, all alike, so that whatever differs between them comes of their positions. */
export const PROBE_TOKENS = 4;
/** Its square is near the epsilon of an RMSNorm, and it is exact in float16. */
export const LITTLE = 2 ** -10;

/** A probe's first or second vector: magnitudes of 0.5 to 2 in sixteenths, exact in every float type. */
export function probeVector(width: number, row: 'first' | 'second'): Float64Array {
  return remembered(vectors, `${row} ${width}`, () => {
    const random = mulberry32(width + (row === 'first' ? 0 : 0x10000));
    return Float64Array.from(
      { length: width },
      () => ((8 + Math.floor(random() * 25)) / 16) * (random() < 0.5 ? -1 : 1),
    );
  });
}

/** Layers are alike, and so are their probes. */
const vectors = new Map<string, Float64Array>();
const probes = new Map<string, TensorData>();

function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  const made = known.get(key) ?? make();
  known.set(key, made);
  return made;
}

/** The probe for a tensor [rows, tokens, width]. */
export function probe(width: number): TensorData {
  return remembered(probes, `flat ${width}`, () => {
    const [first, second] = [probeVector(width, 'first'), probeVector(width, 'second')];
    const rows = [
      first.map(() => 0),
      first,
      second,
      first.map((value) => 2 * value),
      first.map((value) => LITTLE * value),
    ];
    const data = new Float32Array(PROBE_ROWS * PROBE_TOKENS * width);
    for (const [row, values] of rows.entries())
      for (let token = 0; token < PROBE_TOKENS; token++)
        data.set(values, (row * PROBE_TOKENS + token) * width);
    return { type: 'float32', dims: [PROBE_ROWS, PROBE_TOKENS, width], data };
  });
}

/** The probe of a flat tensor whose last axis is `heads` vectors, as [rows, heads, tokens, headDim]. */
export function probeByHead(heads: number, headDim: number): TensorData {
  return remembered(probes, `${heads} heads of ${headDim}`, () => byHead(heads, headDim));
}

function byHead(heads: number, headDim: number): TensorData {
  const flat = probe(heads * headDim);
  const data = new Float32Array(flat.data.length);
  let to = 0;
  for (let row = 0; row < PROBE_ROWS; row++) {
    for (let head = 0; head < heads; head++) {
      for (let token = 0; token < PROBE_TOKENS; token++) {
        const from = ((row * PROBE_TOKENS + token) * heads + head) * headDim;
        data.set(flat.data.subarray(from, from + headDim) as Float32Array, to);
        to += headDim;
      }
    }
  }
  return { type: 'float32', dims: [PROBE_ROWS, heads, PROBE_TOKENS, headDim], data };
}

/** Zeros for a tensor [rows, tokens, width]. */
export function noProbe(width: number): TensorData {
  return remembered(probes, `none ${width}`, () => ({
    type: 'float32',
    dims: [PROBE_ROWS, PROBE_TOKENS, width],
    data: new Float32Array(PROBE_ROWS * PROBE_TOKENS * width),
  }));
}

/** The batch whose tokens the probes stand for: full rows, counted from position 0. */
export function measurementBatch(): Batch {
  const sequences = Array.from({ length: PROBE_ROWS }, () =>
    Array.from({ length: PROBE_TOKENS }, () => 0),
  );
  return buildBatch({
    sequences,
    padding: 'right',
    padTokenId: 0,
    length: PROBE_TOKENS,
    source: 'random',
    name: 'measurement',
  });
}
