import type { Batch, NonFiniteOrigin } from '../types.js';

export type Place = Pick<NonFiniteOrigin, 'row' | 'head' | 'query' | 'key'>;

export const NO_PLACE: Place = { row: null, head: null, query: null, key: null };

interface Axes {
  /** The axis of rows and that of tokens; the same where both are flattened into one. */
  row: number;
  token: number;
  head: number | null;
}

/**
 * Where in the batch a tensor of some node has its rows and tokens, told by its shape: [B,S,…], [B,heads,S,…],
 * [B,S,heads,…] or [B·S,…].
 *
 * @param heads query heads; an axis of another length is not taken for them
 * @returns null for another shape, and where two axes could be the tokens
 */
function axesOf(
  dims: readonly number[],
  { size, length }: Pick<Batch, 'size' | 'length'>,
  heads: number,
): Axes | null {
  const head = (axis: number): number | null => (dims[axis] === heads ? axis : null);
  if (dims[0] === size && dims.length >= 2) {
    const [second, third] = [dims[1] === length, dims.length >= 4 && dims[2] === length];
    if (second !== third)
      return second
        ? { row: 0, token: 1, head: dims.length >= 4 ? head(2) : null }
        : { row: 0, token: 2, head: head(1) };
    if (second) return null;
  }
  return dims[0] === size * length ? { row: 0, token: 0, head: null } : null;
}

/** The place in the batch of an element of a tensor of some node; nulls where its shape does not tell. */
export function placeOf(
  dims: readonly number[],
  index: number,
  batch: Pick<Batch, 'size' | 'length'>,
  heads: number,
): Place {
  const axes = axesOf(dims, batch, heads);
  if (!axes) return NO_PLACE;
  const along = (axis: number): number =>
    Math.floor(index / dims.slice(axis + 1).reduce((a, b) => a * b, 1)) % dims[axis]!;
  if (axes.row === axes.token)
    return {
      ...NO_PLACE,
      row: Math.floor(along(0) / batch.length),
      query: along(0) % batch.length,
    };
  return {
    row: along(axes.row),
    head: axes.head === null ? null : along(axes.head),
    query: along(axes.token),
    key: null,
  };
}

/** The shape in which a number per token, [B·S], is broadcast against a tensor; null where the tensor's shape does not tell. */
export function tokenDims(
  dims: readonly number[],
  batch: Pick<Batch, 'size' | 'length'>,
  heads: number,
): number[] | null {
  const axes = axesOf(dims, batch, heads);
  return axes && dims.map((dim, axis) => (axis === axes.row || axis === axes.token ? dim : 1));
}
