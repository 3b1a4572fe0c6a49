import { expect, it } from 'vitest';
import { weakenedBudgets } from '../../src/gate/index.js';
import { ROUNDING } from '../../src/metrics/index.js';
import type { Budget } from '../../src/types.js';

const info = (
  name: string,
): { name: string; precision: 'fp32'; rounding: { local: number; accumulated: number } } => ({
  name,
  precision: 'fp32',
  rounding: { local: ROUNDING.fp32, accumulated: ROUNDING.fp32 },
});
const AGAINST = {
  implementations: [info('eager'), info('flash')],
  reference: 'eager',
  precision: 'fp32' as const,
};

function budget(part: Partial<Budget>, kind: 'config' | 'flag' = 'config'): Budget {
  const source: Budget['source'] =
    kind === 'flag'
      ? { kind, flag: '--max-ratio' }
      : { kind, path: 'c.json', key: 'budgets[0].max', line: 3 };
  return {
    metric: 'rel-l2',
    limit: 1,
    level: 'error',
    taps: null,
    scopes: null,
    layers: null,
    implementations: null,
    batches: null,
    kinds: ['valid'],
    source,
    ...part,
  };
}

it.each([
  ['a wider limit', {}, { limit: 1, level: 'error', usualLimit: 1e-4, usualLevel: 'error' }],
  [
    'the same limit as a warning',
    { limit: 1e-4, level: 'warn', scopes: ['local'] },
    { limit: 1e-4, level: 'warn', usualLimit: 1e-4, usualLevel: 'error' },
  ],
  [
    'no limit',
    { limit: NaN, level: 'off', scopes: ['accumulated'] },
    { limit: null, level: 'off', usualLimit: 1e-3, usualLevel: 'warn' },
  ],
  [
    'a wider limit on one layer of one implementation',
    { layers: [[2, 2]], implementations: ['flash'] },
    { usualLimit: 1e-4 },
  ],
] as const)('a budget of a configuration weakens what it replaces: %s', (_, part, expected) => {
  expect(weakenedBudgets([budget(part as Partial<Budget>)], AGAINST)).toEqual([
    expect.objectContaining({
      kind: 'budget',
      key: 'budgets[0].max',
      metric: 'rel-l2',
      ...expected,
    }),
  ]);
});

it.each([
  ['narrower', { limit: 1e-5 }],
  ['of another metric', { metric: 'max-abs' }],
  ['of the reference', { implementations: ['eager'] }],
  ['of padding', { kinds: ['padding'] }],
] as const)('a budget weakens nothing that is %s', (_, part) => {
  expect(weakenedBudgets([budget(part as Partial<Budget>)], AGAINST)).toEqual([]);
});

it('a flag is no configuration', () => {
  expect(weakenedBudgets([budget({}, 'flag')], AGAINST)).toEqual([]);
});
