import type { ConfigPart, NotAsConfigured } from '../../types.js';

/** Digests of the weights around one layer's attention; null for a weight that is not there, or that says nothing, being the same number throughout. */
export type WeightDigests = Record<'query' | 'key' | 'value' | 'output', string | null>;

const PARTS = ['query', 'key', 'value', 'output'] as const;

/**
 * Finds projections that two layers have in common while others of the same layers differ. Layers that are the same
 * throughout were stacked so on purpose, as some merged models are.
 *
 * @param digests by layer
 */
export function sharedWeights(digests: ReadonlyMap<number, WeightDigests>): NotAsConfigured[] {
  const layers = [...digests];
  const isPacked = layers.every(
    ([, { query, key, value }]) => query !== null && query === key && key === value,
  );
  return layers.flatMap(([first, one], i) =>
    layers.slice(i + 1).flatMap(([second, other]) => {
      const told = PARTS.filter((part) => one[part] !== null && other[part] !== null);
      const shared = told.filter((part) => one[part] === other[part]);
      if (shared.length === 0 || shared.length === told.length) return [];
      const parts: (ConfigPart | null)[] = isPacked && shared.includes('query') ? [null] : shared;
      return parts.map(
        (part) =>
          ({
            code: 'not-as-configured',
            aspect: 'weights',
            part,
            layers: [first, second],
            expected: 'different',
            found: 'identical',
            against: 'config',
          }) as const,
      );
    }),
  );
}
