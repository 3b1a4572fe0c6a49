/** A rotary embedding as it is seen to act on one head. */
export interface RotaryFit {
  /** `half`: element i is paired with element i + width/2; `interleaved`: neighbours are. */
  layout: 'half' | 'interleaved';
  /** How many elements of the head turn. */
  width: number;
  /** Radians per position of each pair of the head; 0 for pairs that stay. A negative one turns the other way. */
  frequencies: number[];
  /** Angles at position 0. */
  starts: number[];
  /** Mean length that a pair has afterwards, over that before. */
  amplitude: number;
}

/** What a head's vectors become at each position: [vectors][positions][D]. */
export type Turned = readonly (readonly ArrayLike<number>[])[];

/**
 * Finds the rotation that takes vectors to what they are at positions 0, 1, 2, …: of each pair (a, b) to
 * (a·C − b·S, b·C + a·S), by least squares over the vectors.
 *
 * @param before two vectors of D elements or more, none of them 0
 * @param tolerance of the residual's L2 over the result's; NaN anywhere fits nothing
 * @returns `none` where positions change nothing; null where no rotation of pairs explains the result
 */
export function fitRotary(
  before: readonly ArrayLike<number>[],
  after: Turned,
  tolerance: number,
): RotaryFit | 'none' | null {
  if (isStill(after, tolerance)) return 'none';
  const size = before[0]!.length;
  for (let width = size; width >= 2; width /= 2) {
    if (width % 2 !== 0) break;
    for (const layout of ['half', 'interleaved'] as const) {
      const fit = fitPairs(before, after, pairsOf(layout, width, size), tolerance);
      if (fit) return { layout, width, ...fit };
    }
  }
  return null;
}

type Pair = readonly [number, number];

/** Elements that turn together; those beyond the width are paired too, and stay. */
function pairsOf(layout: RotaryFit['layout'], width: number, size: number): Pair[] {
  const within = (from: number, length: number, kind: RotaryFit['layout']): Pair[] =>
    Array.from({ length: length / 2 }, (_, i) =>
      kind === 'half' ? [from + i, from + i + length / 2] : [from + 2 * i, from + 2 * i + 1],
    );
  return [
    ...within(0, width, layout),
    ...(size > width ? within(width, size - width, 'interleaved') : []),
  ];
}

function isStill(after: Turned, tolerance: number): boolean {
  return after.every(([first, ...others]) =>
    others.every((other) => distance(first!, other) <= tolerance * norm(first!)),
  );
}

function fitPairs(
  before: readonly ArrayLike<number>[],
  after: Turned,
  pairs: readonly Pair[],
  tolerance: number,
): Omit<RotaryFit, 'layout' | 'width'> | null {
  const positions = after[0]!.length;
  const turns = Array.from({ length: positions }, (_, p) =>
    pairs.map((pair) =>
      turnOf(
        before,
        after.map((vector) => vector[p]!),
        pair,
      ),
    ),
  );
  for (const [p, angles] of turns.entries()) {
    let rest = 0;
    let whole = 0;
    for (const [i, [a, b]] of pairs.entries()) {
      const [c, s] = angles[i]!;
      for (const [n, vector] of before.entries()) {
        const [x, y] = [after[n]![p]![a]!, after[n]![p]![b]!];
        rest +=
          (x - (c * vector[a]! - s * vector[b]!)) ** 2 +
          (y - (c * vector[b]! + s * vector[a]!)) ** 2;
        whole += x ** 2 + y ** 2;
      }
    }
    if (!(Math.sqrt(rest) <= tolerance * Math.sqrt(whole))) return null;
  }
  const angle = ([c, s]: readonly [number, number]): number => Math.atan2(s, c);
  const starts = turns[0]!.map(angle);
  const lengths = turns.flat().map(([c, s]) => Math.hypot(c, s));
  return {
    starts,
    frequencies: turns[1]!.map((turn, i) => wrapped(angle(turn) - starts[i]!)),
    amplitude: lengths.reduce((sum, length) => sum + length, 0) / lengths.length,
  };
}

function turnOf(
  before: readonly ArrayLike<number>[],
  after: readonly ArrayLike<number>[],
  [a, b]: Pair,
): [number, number] {
  let [c, s, square] = [0, 0, 0];
  for (const [n, vector] of before.entries()) {
    const [x, y] = [vector[a]!, vector[b]!];
    const [u, v] = [after[n]![a]!, after[n]![b]!];
    c += x * u + y * v;
    s += x * v - y * u;
    square += x * x + y * y;
  }
  return [c / square, s / square];
}

/** An angle brought to (−π, π]. */
function wrapped(angle: number): number {
  return angle - 2 * Math.PI * Math.ceil(angle / (2 * Math.PI) - 0.5);
}

/** ‖x‖₂ */
export function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! ** 2;
  return Math.sqrt(sum);
}

/** ‖x − y‖₂ */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum);
}
