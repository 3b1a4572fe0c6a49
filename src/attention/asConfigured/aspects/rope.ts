import type { AttentionConfig } from '../../../model/attentionConfig.js';
import type { RotaryEmbedding } from '../../../model/rotary.js';
import type { Aspect, LayerMeasurement, Reading } from '../aspect.js';
import { amplitudeOf, gainOf, hasPlainFactor } from '../gains.js';
import type { RotaryFit } from '../rotaryFit.js';

type Side = 'query' | 'key';
const SIDES: readonly Side[] = ['query', 'key'];
type Expected = RotaryEmbedding | 'none' | null;
type Found = RotaryFit | 'none';

/** Whether queries and keys are turned by their positions, and in which direction; values must not be. */
export const rope: Aspect = {
  name: 'rope',
  read: (layer, config) => {
    const expected = expectedOf(layer, config);
    const word = expected === null ? null : expected === 'none' ? 'none' : 'applied';
    const turned = SIDES.flatMap((part): Reading[] => {
      const found = foundOf(layer, part, expected);
      return found === null ? [] : [{ part, found: wordOf(found), expected: word }];
    });
    const values = layer.value?.heads.map((head) => head?.rotary ?? null) ?? [null];
    const isTurned = values.some((rotary) => rotary !== null && rotary !== 'none');
    return values.includes(null)
      ? turned
      : [...turned, { part: 'value', found: isTurned ? 'applied' : 'none', expected: 'none' }];
  },
};

/** The base of the frequencies, where they follow from one. */
export const ropeTheta: Aspect = {
  name: 'rope-theta',
  read: (layer, config) =>
    each(layer, config, ({ theta, expected }) =>
      theta === null ? null : { found: theta, expected: expected?.theta ?? null, tolerance: 0.01 },
    ),
};

/** How the frequencies are changed for long contexts. */
export const ropeScaling: Aspect = {
  name: 'rope-scaling',
  read: (layer, config) =>
    each(layer, config, ({ scaling, expected }) =>
      expected === null ? null : { found: scaling, expected: expected.scaling },
    ),
};

/** How many elements of a head are turned. */
export const ropeWidth: Aspect = {
  name: 'rope-width',
  read: (layer, config) =>
    each(layer, config, ({ width, expected }) =>
      width === null
        ? null
        : { found: width, expected: expected ? 2 * expected.frequencies.length : null },
    ),
};

/** What cos and sin are multiplied with. Behind a norm of the heads it is not seen. */
export const ropeFactor: Aspect = {
  name: 'rope-factor',
  read: (layer, config) => {
    const amplitude = amplitudeOf(config.rotary[layer.layer]);
    const isSeen = SIDES.every((side) => layer[side]?.heads.every((head) => head?.gain != null));
    if (!isSeen || expectedOf(layer, config) === null) return [];
    if (hasPlainFactor(layer, amplitude)) return [{ part: null, found: 1, expected: amplitude }];
    // Any other factor counts as one of the scale.
    return SIDES.every(
      (side) => Math.abs(gainOf(layer[side], amplitude) / amplitude - 1) <= 4 * layer.rounding,
    )
      ? [{ part: null, found: amplitude, expected: amplitude }]
      : [];
  },
};

/** Which elements turn together: what config.json does not say, but queries and keys must have alike. */
export const ropeLayout: Aspect = {
  name: 'rope-layout',
  read: (layer, config) => {
    const [query, key] = SIDES.map((side) => foundOf(layer, side, expectedOf(layer, config)));
    if (!query || !key || query === 'none' || key === 'none') return [];
    return [{ part: 'key', found: key.layout, expected: query.layout, against: 'query' }];
  },
};

/** How many positions queries are ahead of keys; a shift of both changes nothing. */
export const ropePositions: Aspect = {
  name: 'rope-positions',
  read: (layer, config) => {
    const shifts = SIDES.map((side) => {
      const found = foundOf(layer, side, expectedOf(layer, config));
      const isSeen = layer[side]?.heads.every((head) => head?.isNormed === false);
      return isSeen && found !== null && found !== 'none' && found.frequencies[0]
        ? found.starts[0]! / found.frequencies[0]
        : null;
    });
    const [query, key] = shifts;
    return query == null || key == null
      ? []
      : [{ part: null, found: Math.round((query - key) * 1000) / 1000, expected: 0 }];
  },
};

interface Summary {
  expected: RotaryEmbedding | null;
  theta: number | null;
  scaling: string;
  width: number | null;
}

function each(
  layer: LayerMeasurement,
  config: AttentionConfig,
  read: (summary: Summary) => Omit<Reading, 'part'> | null,
): Reading[] {
  const expected = expectedOf(layer, config);
  if (expected === 'none') return [];
  return SIDES.flatMap((part): Reading[] => {
    const found = foundOf(layer, part, expected);
    if (found === null || found === 'none' || wordOf(found) !== 'applied') return [];
    const reading = read({ expected, ...summary(found, expected, layer.rounding) });
    return reading ? [{ part, ...reading }] : [];
  });
}

function summary(
  found: RotaryFit,
  expected: RotaryEmbedding | null,
  rounding: number,
): Omit<Summary, 'expected'> {
  if (expected && follows(found.frequencies, expected, rounding))
    return {
      theta: expected.theta,
      scaling: expected.scaling,
      width: 2 * expected.frequencies.length,
    };
  const turning = found.frequencies.slice(0, found.width / 2);
  const theta = baseOf(turning, rounding);
  if (theta !== null) {
    const plain = ['default', 'dynamic'].find((name) => name === expected?.scaling) ?? 'default';
    return { theta, scaling: plain, width: found.width };
  }
  const [first] = turning;
  const isDivided =
    first !== undefined &&
    baseOf(
      turning.map((value) => value / first),
      rounding,
    ) !== null;
  return {
    theta: null,
    scaling:
      isDivided && expected?.scaling !== 'linear'
        ? 'linear'
        : isDivided
          ? `linear, factor ${Number((1 / first).toPrecision(3))}`
          : 'unknown',
    width: null,
  };
}

function expectedOf({ layer }: LayerMeasurement, { rotary }: AttentionConfig): Expected {
  return rotary[layer] ?? null;
}

/** What the heads of one side share; of heads that differ, the first that is not as expected. Null where one is not understood. */
function foundOf(layer: LayerMeasurement, side: Side, expected: Expected): Found | null {
  const heads = layer[side]?.heads.map((head) => head?.rotary ?? null) ?? [];
  if (heads.length === 0 || heads.includes(null)) return null;
  const found = heads as Found[];
  const isExpected = (head: Found): boolean => {
    if (expected === null) return JSON.stringify(head) === JSON.stringify(found[0]);
    if (expected === 'none' || head === 'none') return head === expected;
    return follows(head.frequencies, expected, layer.rounding);
  };
  return found.find((head) => !isExpected(head)) ?? found[0]!;
}

function wordOf(found: Found): string {
  if (found === 'none') return 'none';
  return found.frequencies.every((value) => value <= 0) ? 'reversed' : 'applied';
}

function follows(
  frequencies: readonly number[],
  expected: RotaryEmbedding,
  rounding: number,
): boolean {
  return frequencies.every((value, i) => isNear(value, expected.frequencies[i] ?? 0, rounding));
}

/** What rounding of a turned vector leaves of an angle near 0, in radians; float32's is rounding of sums too. */
function leastAngle(rounding: number): number {
  return isCoarse(rounding) ? rounding : 2e-6;
}

function isCoarse(rounding: number): boolean {
  return rounding > 2 ** -10;
}

function isNear(value: number, expected: number, rounding: number): boolean {
  return Math.abs(value - expected) <= 4 * rounding * Math.abs(expected) + leastAngle(rounding);
}

/** θ where the frequencies are θ^(−i/n) for all i < n; null where they are of no one base. */
function baseOf(frequencies: readonly number[], rounding: number): number | null {
  const count = frequencies.length;
  // The last that rounding does not blur tells the base best.
  const last = frequencies.findLastIndex(
    (value) => value > (isCoarse(rounding) ? 2 ** -4 : 2 ** -8),
  );
  if (last < 1) return null;
  const theta = frequencies[last]! ** (-count / last);
  return theta > 1 &&
    frequencies.every((value, i) => isNear(value, theta ** (-i / count), rounding))
    ? Number(theta.toPrecision(isCoarse(rounding) ? 2 : 3))
    : null;
}
