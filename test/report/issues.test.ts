import { describe, expect, it } from 'vitest';
import { issues } from '../../src/report/issues.js';
import type { Check, DiffReport, Finding } from '../../src/types.js';
import { budget } from '../support/gate.js';
import { sampleReport, withoutGuard } from './sample.js';

const check = (part: Partial<Check>): Check => ({
  name: 'rel-l2',
  level: 'error',
  operator: '<=',
  expected: 1e-4,
  actual: 2e-4,
  layer: 1,
  implementation: 'flash',
  tap: 'attention',
  scope: 'local',
  batch: 'left',
  kind: 'valid',
  subject: null,
  source: { kind: 'always' },
  passed: false,
  ...part,
});

function reportOf(checks: Check[], findings: Finding[] = []): DiffReport {
  return {
    ...sampleReport(),
    findings,
    verdict: { passed: checks.every(({ passed, level }) => passed || level === 'warn'), checks },
  };
}

const IDENTICAL: Finding = { code: 'identical', implementation: 'sdpa' };
const WINDOW: Finding = { code: 'window-not-as-configured', layers: [3], expected: 8, found: null };
const PARTED: Finding = {
  code: 'local-divergence',
  implementation: 'flash',
  layer: 2,
  batch: 'left',
  relL2: 1,
  limit: 1e-5,
  firstToken: null,
};
const AMPLIFIED: Finding = {
  code: 'propagation-only',
  implementation: 'sdpa',
  localRelL2: 1e-7,
  accumulatedRelL2: 1e-3,
  layer: 3,
  tap: 'hidden',
  kernels: 'right',
};

describe('issues', () => {
  it('are none of a clean run', () => {
    expect(issues(sampleReport())).toEqual([]);
  });

  it('come by level, then what makes the rest meaningless, findings, and limits by how far they were missed', () => {
    const checks = [
      check({ actual: 2e-4 }),
      check({ name: 'exact-abs', expected: 0, actual: 1e-9 }),
      check({ name: 'mean-l2', expected: 0, actual: 1e-3 }),
      check({ name: 'max-abs', actual: NaN }),
      check({ name: 'min-cosine', operator: '>=', expected: 0.9, actual: 0.1 }),
      check({ name: 'kl', level: 'warn' }),
      check({ name: 'completed', operator: '==', expected: 1, actual: 0 }),
      check({ name: 'compared' }),
      check({ name: 'bias', passed: true }),
    ];
    const found = issues(reportOf(checks, [PARTED, AMPLIFIED, IDENTICAL]));
    expect(found.map(({ level, code }) => `${level} ${code}`)).toEqual([
      'error compared',
      'error completed',
      'error local-divergence',
      'error max-abs',
      'error mean-l2',
      'error exact-abs',
      'error min-cosine',
      'error rel-l2',
      'warning kl',
      'note propagation-only',
    ]);
  });

  it('take the level of a finding from its own check, and of a fault without one from the checks of its implementation', () => {
    const own = check({
      name: 'finding',
      level: 'warn',
      operator: '==',
      subject: 'local-divergence',
    });
    const levels = (checks: Check[], findings: Finding[]): string[] =>
      issues(reportOf(checks, findings))
        .filter(({ about }) => about === 'finding')
        .map(({ level }) => level);
    expect(levels([own, check({})], [PARTED])).toEqual(['warning']);
    expect(levels([{ ...own, level: 'error' }], [PARTED])).toEqual(['error']);
    expect(levels([{ ...own, implementation: 'sdpa' }, check({})], [PARTED])).toEqual(['error']);
    expect(levels([check({ implementation: 'sdpa' })], [PARTED])).toEqual(['warning']);
    expect(levels([check({})], [WINDOW])).toEqual(['error']);
    expect(levels([], [WINDOW, IDENTICAL])).toEqual(['warning']);
  });

  it('have a title that holds nothing of what was measured', () => {
    const titles = (maxAbs: number): string[] =>
      issues(
        sampleReport({
          layers: 6,
          edit: withoutGuard,
          gate: {
            maxAbs,
            defaults: 'error',
            budgets: [
              budget('kl', 0, {
                source: { kind: 'config', path: 'c.json', key: 'budgets[0].max', line: 4 },
              }),
            ],
          },
        }),
      ).map(({ title }) => title);
    expect(titles(1e-9)).toEqual(titles(2e-9));
    expect(titles(1e-9)).toEqual(
      expect.arrayContaining(['non-finite', 'max-abs', 'kl, budgets[0].max']),
    );
  });
});
