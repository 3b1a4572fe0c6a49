import type { TokenMap, TokenMapStream } from '../types.js';

/** What the bytes of a map stand for: see metrics/tokenMap.ts. */
export const ZERO = 0;
export const INFINITE = 254;
export const NAN = 255;
const LARGEST = 253;
const EXPONENTS = [-12, 4] as const;

/** A map of one implementation in one scope, by row of the batch, layer and token. */
export interface Grid {
  size: number;
  length: number;
  /** Null for the logits. */
  layers: readonly (number | null)[];
  /** A letter for each token: v valid, p padding, m fully masked. */
  kinds: string;
  /** [layers, size·length] */
  bytes: Uint8Array;
}

export function gridOf({ size, length, kinds }: TokenMap, { layers, relL2 }: TokenMapStream): Grid {
  return {
    size,
    length,
    layers,
    kinds,
    bytes: Uint8Array.from(atob(relL2), (char) => char.charCodeAt(0)),
  };
}

/** One cell: layer as an index into the grid's. */
export interface Cell {
  row: number;
  layer: number;
  token: number;
}

export function byteAt({ size, length, bytes }: Grid, { row, layer, token }: Cell): number {
  return bytes[(layer * size + row) * length + token]!;
}

export function kindAt(
  { length, kinds }: Grid,
  { row, token }: Pick<Cell, 'row' | 'token'>,
): string {
  return kinds[row * length + token]!;
}

/** The number that a byte stands for, to within half a step of its 16/252 of a decade. */
export function numberOf(byte: number): number {
  if (byte === NAN) return NaN;
  if (byte === INFINITE) return Infinity;
  const [low, high] = EXPONENTS;
  return byte === ZERO ? 0 : 10 ** (low + ((byte - 1) / (LARGEST - 1)) * (high - low));
}

/** As it is written: two digits, since a byte tells no more. */
export function byteText(byte: number): string {
  if (byte === NAN) return 'NaN';
  if (byte === INFINITE) return 'infinite';
  if (byte === ZERO) return 'exactly 0';
  const text = numberOf(byte).toExponential(1);
  return byte === 1 ? `at most ${text}` : byte === LARGEST ? `at least ${text}` : `about ${text}`;
}

/** What a strip of neighbouring tokens comes to: the worst of the valid ones, or of all where none is valid. */
export interface Strip {
  /** By layer. */
  bytes: Uint8Array;
  /** v where one of them is valid; else the letter of the first. */
  kind: string;
  /** Whether a token that is not valid is NaN at some layer. */
  hidesNaN: boolean;
}

/**
 * One row of the batch as so many strips of tokens, from left to right. Bytes are in order of how bad what they stand
 * for is, NaN last, so that the largest is the worst.
 */
export function strips(grid: Grid, row: number, count: number): Strip[] {
  const { length, layers } = grid;
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * length) / count);
    const to = Math.max(from + 1, Math.floor(((i + 1) * length) / count));
    const tokens = Array.from({ length: to - from }, (__, offset) => from + offset);
    const valid = tokens.filter((token) => kindAt(grid, { row, token }) === 'v');
    const counted = valid.length > 0 ? valid : tokens;
    const bytes = Uint8Array.from(layers, (__, layer) =>
      counted.reduce((worst, token) => Math.max(worst, byteAt(grid, { row, layer, token })), 0),
    );
    const hidesNaN =
      counted !== tokens &&
      tokens.some((token) =>
        layers.some((__, layer) => byteAt(grid, { row, layer, token }) === NAN),
      );
    return { bytes, kind: valid.length > 0 ? 'v' : kindAt(grid, { row, token: from }), hidesNaN };
  });
}

/** What a layer comes to. */
export interface LayerSummary {
  layer: number | null;
  /** The worst valid token, of equals that at the smallest position; null where none is valid. */
  worst: { byte: number; row: number; token: number } | null;
  /** NaN tokens among the valid ones, and among the others. */
  nan: { valid: number; others: number };
  /** The NaN of each at the smallest position, as `firstToken` of a row of the report has it; of equals that of the first row. */
  first: { valid: Cell | null; others: Cell | null };
}

/** One for each layer of the grid. */
export function layerSummaries(grid: Grid): LayerSummary[] {
  const { size, length, layers } = grid;
  return layers.map((name, layer) => {
    const summary: LayerSummary = {
      layer: name,
      worst: null,
      nan: { valid: 0, others: 0 },
      first: { valid: null, others: null },
    };
    for (let row = 0; row < size; row++) {
      for (let token = 0; token < length; token++) {
        const byte = byteAt(grid, { row, layer, token });
        const isValid = kindAt(grid, { row, token }) === 'v';
        if (
          isValid &&
          (summary.worst === null ||
            byte > summary.worst.byte ||
            (byte === summary.worst.byte && token < summary.worst.token))
        )
          summary.worst = { byte, row, token };
        if (byte !== NAN) continue;
        const part = isValid ? 'valid' : 'others';
        summary.nan[part] += 1;
        if (token < (summary.first[part]?.token ?? Infinity))
          summary.first[part] = { row, layer, token };
      }
    }
    return summary;
  });
}

/** The next NaN after a cell, by row, token and layer, going round; null where there is none. */
export function nextNaN(grid: Grid, { row, layer, token }: Cell): Cell | null {
  const { size, length, layers } = grid;
  const total = size * length * layers.length;
  const start = (row * length + token) * layers.length + layer;
  for (let step = 1; step <= total; step++) {
    const at = (start + step) % total;
    const place = Math.floor(at / layers.length);
    const cell = {
      row: Math.floor(place / length),
      token: place % length,
      layer: at % layers.length,
    };
    if (byteAt(grid, cell) === NAN) return cell;
  }
  return null;
}
