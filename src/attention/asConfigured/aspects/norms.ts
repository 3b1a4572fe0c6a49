import type { Aspect, LayerMeasurement, Reading } from '../aspect.js';
import type { NormPlace } from '../norms.js';

const SIDES = ['query', 'key'] as const;
const PLACES: readonly NormPlace[] = ['input', 'post-attention', 'final'];

/** Whether query and key heads are normalised before their rotary embedding. */
export const qkNorm: Aspect = {
  name: 'qk-norm',
  read: (layer, config) =>
    SIDES.flatMap((part) => {
      const isNormed = normedOf(layer, part);
      return isNormed === null
        ? []
        : [
            {
              part,
              found: isNormed ? 'present' : 'none',
              expected: config.qkNorm === null ? null : config.qkNorm ? 'present' : 'none',
            },
          ];
    }),
};

/** Epsilon of every RMSNorm, that of query and key heads included. */
export const normEpsilon: Aspect = {
  name: 'norm-epsilon',
  read: (layer, { epsilon }) => {
    // Half precision holds the square of what epsilon is found with by a few of its smallest steps.
    const tolerance = layer.rounding > 2 ** -10 ? 0.4 : 0.02;
    const heads = SIDES.flatMap((part): Reading[] => {
      if (!normedOf(layer, part)) return [];
      const found = layer[part]!.heads.map((head) => head!.epsilon!);
      const worst = found.reduce((far, value) =>
        distance(value, epsilon) > distance(far, epsilon) ? value : far,
      );
      return [{ part: `${part}-norm`, found: round(worst), expected: epsilon, tolerance }];
    });
    const stream = PLACES.flatMap((place): Reading[] => {
      const found = layer.norms[place];
      return found == null
        ? []
        : [
            {
              part: `${place}-norm`,
              found: typeof found === 'number' ? round(found) : found,
              expected: epsilon,
              tolerance,
            },
          ];
    });
    return [...heads, ...stream];
  },
};

/** Null where a head's way is not understood, or heads differ. */
function normedOf(layer: LayerMeasurement, part: 'query' | 'key'): boolean | null {
  const heads = layer[part]?.heads ?? [];
  const isNormed = heads[0]?.isNormed ?? null;
  return heads.every((head) => head?.isNormed === isNormed) ? isNormed : null;
}

function distance(value: number, from: number | null): number {
  return Math.abs(Math.log(Math.abs(value) / (from ?? 1e-6)));
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
