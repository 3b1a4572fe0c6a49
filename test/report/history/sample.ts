import fc from 'fast-check';
import type { HistoryImplementation, HistoryPlace, HistoryRun } from '../../../src/types.js';
import { FAILURES, HISTORY_RUN_SCHEMA } from '../../../src/types.js';

export function place(relL2: number, more: Partial<HistoryPlace> = {}): HistoryPlace {
  return { relL2, limit: 1e-5, batch: 'left', layer: 1, tap: 'attention', ...more };
}

export function implementation(
  name: string,
  more: Partial<HistoryImplementation> = {},
): HistoryImplementation {
  return {
    name,
    failure: null,
    local: place(1e-7),
    accumulated: place(3e-7),
    nonFinite: 0,
    effect: { targets: 10, loss: 2, deltaLoss: 1e-8, kl: 1e-12, flips: 0 },
    faults: [],
    ...more,
  };
}

export const reference: HistoryImplementation = implementation('eager', {
  local: null,
  accumulated: null,
  effect: { targets: 10, loss: 2, deltaLoss: 0, kl: 0, flips: 0 },
});

/** A run that passed, with flash within rounding of eager, the reference. */
export function run(label: string, more: Partial<HistoryRun> = {}): HistoryRun {
  return {
    schema: HISTORY_RUN_SCHEMA,
    time: '2026-01-31T23:59:30.123Z',
    label,
    model: { path: `checkpoints/${label}`, sha256: 'a'.repeat(64) },
    attnDiff: '0.1.0',
    reference: 'eager',
    setup: 'b'.repeat(64),
    passed: true,
    failedChecks: 0,
    implementations: [reference, implementation('flash')],
    range: { maxScore: 113, headroom: 579.7, batch: 'left', layer: 3 },
    ...more,
  };
}

const number = fc.oneof(
  fc.double({ min: 0 }).map((value) => value + 0),
  fc.constantFrom(0, NaN, Infinity, 1e-320),
);
const name = fc.string({
  unit: fc.constantFrom('a', '"', ',', 'é', '模', ' ', ':', '\\', '😀'),
  minLength: 1,
  maxLength: 12,
});
const anyPlace = fc.record<HistoryPlace>({
  relL2: number,
  limit: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
  batch: name,
  layer: fc.option(fc.nat(40)),
  tap: fc.constantFrom('attention', 'hidden', 'logits'),
});
const anyImplementation = fc.record<HistoryImplementation>({
  name,
  failure: fc.option(fc.constantFrom(...FAILURES)),
  local: fc.option(anyPlace),
  accumulated: fc.option(anyPlace),
  nonFinite: fc.oneof(fc.nat(), fc.constant(NaN)),
  effect: fc.option(
    fc.record({
      targets: fc.integer({ min: 100 }),
      loss: number,
      deltaLoss: number,
      kl: number,
      flips: fc.nat(100),
    }),
  ),
  faults: fc.array(name, { maxLength: 2 }),
});

/** Any run that a history may hold. */
export const anyRun = fc
  .record({
    label: name,
    failedChecks: fc.nat(2),
    reference: name,
    setup: fc.constantFrom('b'.repeat(64), 'c'.repeat(64)),
    implementations: fc.uniqueArray(anyImplementation, {
      selector: (each) => each.name,
      maxLength: 4,
    }),
    range: fc.option(
      fc.record({ maxScore: number, headroom: number, batch: name, layer: fc.nat(40) }),
    ),
  })
  .map((more) => run('any', { ...more, passed: more.failedChecks === 0 }));
