import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge as judgeAll } from '../../src/gate/index.js';
import type { Check, ImplementationInfo, Row, Verdict } from '../../src/types.js';
import { gateOf, type GateWords } from '../support/gate.js';
import { notANumber, sampleReport, sampleRow, withoutGuard } from '../report/sample.js';

const OFF: GateWords = { failOn: 'none' };

/** The verdict on rows alone. */
function judge(
  rows: readonly Row[],
  gate: GateWords,
  reference: string,
  implementations: readonly Pick<ImplementationInfo, 'name' | 'proof' | 'failure'>[] = [],
): Verdict {
  const told = implementations.map((info) => ({
    ...info,
    rounding: { local: 1e-5, accumulated: 1e-5 },
  }));
  return judgeAll(
    {
      rows: [...rows],
      effects: [],
      findings: [],
      implementations: told as never,
      reference,
      precision: 'fp32',
    },
    gateOf(gate),
  );
}

function check(
  rows: readonly Row[],
  options: GateWords,
  name: Check['name'],
  implementation = 'sdpa',
): Check {
  const found = judge(rows, options, 'eager').checks.filter(
    (c) => c.name === name && c.implementation === implementation,
  );
  expect(found).toHaveLength(1);
  return found[0]!;
}

describe('judge', () => {
  const rows = sampleReport({ layers: 3 }).rows;

  it('passes a clean run and says what it compared', () => {
    const verdict = judge(rows, { failOn: 'nan' }, 'eager');
    expect(verdict.passed).toBe(true);
    expect(verdict.checks.map(({ name, implementation }) => `${name} ${implementation}`)).toEqual([
      'compared eager',
      'non-finite eager',
      'non-finite sdpa',
      'non-finite flash',
    ]);
    expect(verdict.checks[0]).toMatchObject({ operator: '>', expected: 0, actual: 82 });
  });

  it('fails where nothing was compared, whatever else it is told', () => {
    const alone = rows.filter((row) => row.implementation === 'eager');
    const noValid = rows.filter((row) => row.kind !== 'valid');
    for (const nothing of [alone, noValid, []]) {
      const verdict = judge(nothing, OFF, 'eager');
      expect(verdict.passed).toBe(false);
      expect(verdict.checks).toMatchObject([
        { name: 'compared', implementation: 'eager', actual: 0, passed: false },
      ]);
    }
  });

  it('takes the worst max-abs of all taps and both scopes, and passes at the limit itself', () => {
    const edited = rows.map((row) =>
      row.implementation === 'sdpa' &&
      row.kind === 'valid' &&
      row.scope === 'local' &&
      row.layer === 1 &&
      row.batch === 'right'
        ? { ...row, maxAbs: 0.5 }
        : row,
    );
    expect(check(edited, { ...OFF, maxAbs: 0.5 }, 'max-abs')).toEqual({
      name: 'max-abs',
      level: 'error',
      kind: 'valid',
      subject: null,
      source: { kind: 'flag', flag: '--max-abs' },
      operator: '<=',
      expected: 0.5,
      actual: 0.5,
      layer: 1,
      implementation: 'sdpa',
      tap: 'attention',
      scope: 'local',
      batch: 'right',
      passed: true,
    });
    expect(check(edited, { ...OFF, maxAbs: 0.4999 }, 'max-abs').passed).toBe(false);
    expect(judge(edited, { ...OFF, maxAbs: 0.4999 }, 'eager').passed).toBe(false);
  });

  it('takes the worst min-cosine, and passes at the limit itself', () => {
    const edited = rows.map((row) =>
      row.implementation === 'sdpa' && row.kind === 'valid' && row.tap === 'logits'
        ? { ...row, minCosine: 0.25 }
        : row,
    );
    expect(check(edited, { ...OFF, minCosine: 0.25 }, 'min-cosine')).toMatchObject({
      operator: '>=',
      actual: 0.25,
      layer: null,
      tap: 'logits',
      passed: true,
    });
    expect(check(edited, { ...OFF, minCosine: 0.26 }, 'min-cosine').passed).toBe(false);
  });

  it('looks at valid tokens only', () => {
    const edited = rows.map((row) => (row.kind === 'valid' ? row : notANumber(row)));
    expect(judge(edited, { failOn: 'nan', maxAbs: 1, minCosine: 0.9 }, 'eager').passed).toBe(true);
  });

  it('makes no threshold check of the reference', () => {
    const verdict = judge(rows, { failOn: 'none', maxAbs: 1, minCosine: 0 }, 'eager');
    expect(
      verdict.checks
        .filter(({ implementation }) => implementation === 'eager')
        .map(({ name }) => name),
    ).toEqual(['compared']);
  });

  it('fails NaN under every threshold, also with failOn none', () => {
    const edited = rows.map(withoutGuard);
    const verdict = judge(
      edited,
      { failOn: 'none', maxAbs: Number.MAX_VALUE, minCosine: -1 },
      'eager',
    );
    expect(
      verdict.checks
        .filter(({ passed }) => !passed)
        .map(({ name, implementation, layer }) => [name, implementation, layer]),
    ).toEqual([
      ['max-abs', 'sdpa', 1],
      ['min-cosine', 'sdpa', 1],
    ]);
    expect(judge(edited, OFF, 'eager').passed).toBe(true);
  });

  it('sums NaN and Inf on valid tokens and names the first place by layer', () => {
    const edited = [
      ...rows,
      sampleRow({ layer: 2, batch: 'right', inf: 2 }),
      sampleRow({ layer: 1, tap: 'hidden', nan: 3 }),
      sampleRow({ layer: null, tap: 'logits', nan: 1 }),
    ];
    expect(check(edited, { failOn: 'nan' }, 'non-finite')).toEqual({
      name: 'non-finite',
      level: 'error',
      kind: 'valid',
      subject: null,
      source: { kind: 'flag', flag: '--fail-on' },
      operator: '==',
      expected: 0,
      actual: 6,
      layer: 1,
      implementation: 'sdpa',
      tap: 'hidden',
      scope: 'accumulated',
      batch: 'left',
      passed: false,
    });
  });

  it('counts what the stream and the local scope both say once, and so what the tables say', () => {
    const attention = (scope: Row['scope'], nan: number, batch = 'left'): Row =>
      sampleRow({ layer: 1, scope, nan, batch });
    expect(
      check([attention('accumulated', 5), attention('local', 5)], { failOn: 'nan' }, 'non-finite'),
    ).toMatchObject({ actual: 5, scope: 'accumulated' });
    expect(
      check([attention('accumulated', 5), attention('local', 3)], { failOn: 'nan' }, 'non-finite'),
    ).toMatchObject({ actual: 8 });
    expect(
      check(
        [attention('accumulated', 5), attention('local', 5, 'right')],
        { failOn: 'nan' },
        'non-finite',
      ),
    ).toMatchObject({ actual: 10 });
    expect(
      check(
        [attention('accumulated', NaN), attention('local', NaN)],
        { failOn: 'nan' },
        'non-finite',
      ),
    ).toMatchObject({ actual: NaN, passed: false });
  });

  it('does not blame an implementation for what a non-finite reference fed it', () => {
    const inherited = rows.map((row) =>
      row.kind === 'valid' && (row.implementation === 'eager' || row.scope === 'local')
        ? { ...row, nan: 1 }
        : row,
    );
    const { checks } = judge(inherited, { failOn: 'nan' }, 'eager');
    const failed = checks.filter(({ name, passed }) => name === 'non-finite' && !passed);
    expect(failed.map(({ implementation }) => implementation)).toEqual(['eager']);
  });

  it('counts the local scope and the reference too', () => {
    const local = [...rows, sampleRow({ scope: 'local', nan: 1 })];
    expect(check(local, { failOn: 'nan' }, 'non-finite')).toMatchObject({
      actual: 1,
      scope: 'local',
      passed: false,
    });
    const reference = [...rows, sampleRow({ implementation: 'eager', nan: 1 })];
    expect(check(reference, { failOn: 'nan' }, 'non-finite', 'eager').passed).toBe(false);
  });

  it('never passes a limit that any valid row breaks', () => {
    const value = fc.oneof(fc.double({ min: 0, max: 10 }), fc.constantFrom(NaN, Infinity));
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1 }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        (values, maxAbs) => {
          const made = values.map((v, layer) => sampleRow({ layer, maxAbs: v }));
          expect(judge(made, { failOn: 'none', maxAbs }, 'eager').passed).toBe(
            values.every((v) => v <= maxAbs),
          );
        },
      ),
    );
  });
});

describe('the error ratio', () => {
  const rows = [
    sampleRow({ implementation: 'eager', ratioPlain: 1 }),
    sampleRow({ ratioPlain: 1.9 }),
    sampleRow({ layer: 3, ratioPlain: 2.1 }),
  ];

  it('is held against its limit for every implementation, the reference included', () => {
    const { checks } = judge(rows, { failOn: 'none', maxRatio: 2 }, 'eager');
    expect(
      checks
        .filter(({ name }) => name === 'max-ratio')
        .map(({ implementation, actual, layer, passed }) => [
          implementation,
          actual,
          layer,
          passed,
        ]),
    ).toEqual([
      ['eager', 1, 0, true],
      ['sdpa', 2.1, 3, false],
    ]);
  });

  it('fails where it is NaN', () => {
    expect(
      judge([...rows, sampleRow({ ratioPlain: NaN })], { failOn: 'none', maxRatio: 100 }, 'eager')
        .passed,
    ).toBe(false);
  });
});

describe('implementations', () => {
  const failure = { kind: 'crashed', problem: 'SIGSEGV', stage: 'running', batch: null } as const;
  const told = [
    { name: 'eager', proof: 'confirmed', failure: null },
    { name: 'sdpa', proof: 'fallback', failure: null },
    { name: 'flash', proof: 'not-provable', failure },
  ] as const;
  const failed = (requireKernel: boolean): string[] =>
    judge([], { failOn: 'none', requireKernel }, 'eager', told)
      .checks.filter(({ name, passed }) => !passed && name !== 'compared')
      .map(({ name, implementation }) => `${name} ${implementation}`);

  it('fail where one did not run to its end, whatever is asked', () => {
    expect(failed(false)).toEqual(['completed flash']);
  });

  it('fail where a kernel is required and not confirmed', () => {
    expect(failed(true)).toEqual(['kernel sdpa', 'completed flash', 'kernel flash']);
  });
});
