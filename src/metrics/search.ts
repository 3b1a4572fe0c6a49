/** A value that was tried, and how far its result was: Σ‖x − changed‖². */
export interface Tried {
  value: number;
  squared: number;
}

/** A scale is known when the next guess would move its logarithm by less than this share. */
const SETTLED = 1e-4;
/** How far, in powers of two, a search that runs off its grid goes at once, and in all. */
const LARGEST_STEP = 4;
const FARTHEST = 16;
const MOST_AT_ONCE = 8;

/** A grid of factors around 1, close together near 1 and apart further out. */
export const SCALE_GRID: readonly number[] = [
  -2,
  -1,
  -1 / 2,
  -1 / 4,
  -1 / 16,
  -1 / 64,
  1 / 64,
  1 / 16,
  1 / 4,
  1 / 2,
  1,
  2,
].map((power) => 2 ** power);

/**
 * Factors to try next in the search for a scale: the vertex of the parabola through the best factor and its
 * neighbours, over log₂ of the factor, a point on either side of it, and the middles between the best and its
 * neighbours. Near the right factor the squared distance is a parabola but for third-order terms, so each round gains
 * about as many digits as are known; far from it the middles still halve the range.
 *
 * @param tried factors > 0, with 1 among them; entries of NaN are passed over
 * @param floor a squared distance that rounding explains
 * @returns none once the factor is settled
 */
export function nextScales(tried: readonly Tried[], floor: number): number[] {
  const points = tried
    .filter(({ squared }) => Number.isFinite(squared))
    .map(({ value, squared }) => ({ x: Math.log2(value), squared }))
    .toSorted((a, b) => a.x - b.x);
  const at = points.reduce(
    (best, { squared }, i) => (squared < points[best]!.squared ? i : best),
    0,
  );
  const [left, centre, right] = [points[at - 1], points[at], points[at + 1]];
  if (!centre || points.length < 3 || centre.squared <= floor) return [];
  if (!left)
    return Math.abs(centre.x) > FARTHEST
      ? []
      : [2 ** (centre.x - LARGEST_STEP), 2 ** (centre.x - LARGEST_STEP / 2)];
  if (!right)
    return Math.abs(centre.x) > FARTHEST
      ? []
      : [2 ** (centre.x + LARGEST_STEP / 2), 2 ** (centre.x + LARGEST_STEP)];
  const vertex = vertexOf(left, centre, right);
  const step = Math.abs(vertex - centre.x);
  if (!(step > SETTLED * Math.abs(vertex))) return [];
  return [
    vertex - step / 8,
    vertex,
    vertex + step / 8,
    (left.x + centre.x) / 2,
    (centre.x + right.x) / 2,
  ].map((x) => 2 ** x);
}

interface Point {
  x: number;
  squared: number;
}

function vertexOf(a: Point, b: Point, c: Point): number {
  const [p, q] = [(b.x - a.x) * (b.squared - c.squared), (b.x - c.x) * (b.squared - a.squared)];
  return p === q ? b.x : b.x - ((b.x - a.x) * p - (b.x - c.x) * q) / (2 * (p - q));
}

/**
 * The windows to try next: up to eight between the best and its neighbours on either side, evenly.
 *
 * @param tried windows in tokens; a missing window counts as the length of the batch
 * @returns none where the neighbours of the best are tried
 */
export function nextWindows(tried: readonly Tried[]): number[] {
  const points = tried
    .filter(({ squared }) => Number.isFinite(squared))
    .toSorted((a, b) => a.value - b.value);
  const at = points.reduce(
    (best, { squared }, i) => (squared < points[best]!.squared ? i : best),
    0,
  );
  const centre = points[at]?.value;
  if (centre === undefined) return [];
  const [from, to] = [points[at - 1]?.value ?? 0, points[at + 1]?.value ?? centre];
  const between = Array.from({ length: Math.max(0, to - from - 1) }, (_, i) => from + 1 + i).filter(
    (window) => window !== centre,
  );
  const stride = Math.ceil(between.length / MOST_AT_ONCE);
  return stride === 0 ? [] : between.filter((_, i) => i % stride === Math.floor(stride / 2));
}

/**
 * Orders of query heads in which exactly these heads stand elsewhere: every one for two to four heads, beyond that
 * rotations by one, the reversal, and the two ways in which groups of heads are told apart.
 *
 * @param moved heads whose outputs differ, ascending
 * @returns orders of length `heads`
 */
export function headOrders(moved: readonly number[], heads: number, kvHeads: number): number[][] {
  const places = Array.from({ length: heads }, (_, head) => head);
  const placed = (order: readonly number[]): number[] =>
    places.map((head) => (moved.includes(head) ? order[moved.indexOf(head)]! : head));
  if (moved.length < 2) return [];
  if (moved.length <= 4)
    return permutations(moved)
      .map(placed)
      .filter((order) => moved.every((head) => order[head] !== head));
  const groups = heads / kvHeads;
  const grouped = [
    places.map((head) => (head % kvHeads) * groups + Math.floor(head / kvHeads)),
    places.map((head) => (head % groups) * kvHeads + Math.floor(head / groups)),
  ];
  const turned = [
    [...moved.slice(1), moved[0]!],
    [moved.at(-1)!, ...moved.slice(0, -1)],
    moved.toReversed(),
  ].map(placed);
  return [...turned, ...grouped].filter(
    (order) =>
      order.some((from, head) => from !== head) &&
      places.every((head) => order[head] === head || moved.includes(head)),
  );
}

function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, i) =>
    permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]),
  );
}
