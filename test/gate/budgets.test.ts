import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, DEFAULT_RATIO, judge } from '../../src/gate/index.js';
import { FINDING_CODES, findingLevel, ROUNDING } from '../../src/metrics/index.js';
import type { Budget, Check, DiffReport, EffectRow, Finding, Row } from '../../src/types.js';
import { readDocument, tablesBelow } from '../docs/documents.js';
import { sampleReport, sampleRow } from '../report/sample.js';
import { budget, gateOf, type GateWords } from '../support/gate.js';

const EVERY_METRIC = {
  maxAbs: 3,
  meanL2: 2,
  relL2: 0.5,
  meanCosine: 0.9,
  minCosine: 0.8,
  bias: -0.25,
  exactMaxAbs: 4,
  exactRelL2: 0.75,
  ratioPlain: 1.5,
  ratioFp32: 9,
};

function checksOf(rows: readonly Row[], gate: GateWords, more: Partial<DiffReport> = {}): Check[] {
  const { implementations } = sampleReport();
  return judge(
    {
      rows: [...rows],
      effects: [],
      findings: [],
      implementations,
      reference: 'eager',
      precision: 'fp32',
      ...more,
    },
    gateOf({ failOn: 'none', ...gate }),
  ).checks.filter(({ name }) => name !== 'compared');
}

const told = ({ name, implementation, actual, expected, layer, passed }: Check): unknown[] => [
  name,
  implementation,
  actual,
  expected,
  layer,
  passed,
];

describe('a budget', () => {
  it.each<[Budget['metric'], number, number]>([
    ['max-abs', 3, 2.9],
    ['mean-l2', 2, 1.9],
    ['rel-l2', 0.5, 0.49],
    ['exact-abs', 4, 3.9],
    ['exact-rel-l2', 0.75, 0.7],
    ['max-ratio', 1.5, 1.4],
    ['ratio-fp32', 9, 8.9],
    ['bias', 0.25, 0.24],
    ['mean-cosine', 0.9, 0.91],
    ['min-cosine', 0.8, 0.81],
  ])('of %s passes at its limit and fails beyond it', (metric, at, beyond) => {
    const rows = [sampleRow(EVERY_METRIC)];
    expect(checksOf(rows, { budgets: [budget(metric, at)] }).map(told)).toEqual([
      [metric, 'sdpa', at, at, 0, true],
    ]);
    expect(checksOf(rows, { budgets: [budget(metric, beyond)] }).map(told)).toEqual([
      [metric, 'sdpa', at, beyond, 0, false],
    ]);
  });

  it('looks at the layers, taps, scopes, batches, implementations and kinds that it names, and at no other', () => {
    const at = (more: Partial<Row>, relL2: number): Row =>
      sampleRow({
        layer: 2,
        tap: 'hidden',
        scope: 'accumulated',
        batch: 'left',
        implementation: 'flash',
        kind: 'padding',
        ...more,
        relL2,
      });
    const rows = [
      at({}, 1),
      at({ layer: 1 }, 0.1),
      at({ layer: 5 }, 2),
      at({ tap: 'attention' }, 3),
      at({ scope: 'local' }, 4),
      at({ batch: 'right' }, 5),
      at({ implementation: 'sdpa' }, 6),
      at({ kind: 'valid' }, 7),
      at({ layer: null, tap: 'logits' }, 8),
    ];
    const only = {
      layers: [
        [0, 1],
        [2, 4],
      ],
      taps: ['hidden'],
      scopes: ['accumulated'],
      batches: ['left'],
      implementations: ['flash'],
      kinds: ['padding'],
    } as const;
    expect(checksOf(rows, { budgets: [budget('rel-l2', 0.9, only)] }).map(told)).toEqual([
      ['rel-l2', 'flash', 1, 0.9, 2, false],
    ]);
    for (const key of [
      'layers',
      'taps',
      'scopes',
      'batches',
      'implementations',
      'kinds',
    ] as const) {
      const wider = { ...only, [key]: key === 'kinds' ? ['padding', 'valid'] : null };
      const worst = checksOf(rows, { budgets: [budget('rel-l2', 0.9, wider)] }).map(
        ({ actual }) => actual,
      );
      expect(Math.max(...worst)).toBeGreaterThan(1);
    }
  });

  it('is replaced by a later one where both match, and only there', () => {
    const rows = [sampleRow({ layer: 0, relL2: 0.1 }), sampleRow({ layer: 1, relL2: 0.5 })];
    const later = budget('rel-l2', 0.6, { layers: [[1, 1]] });
    expect(checksOf(rows, { budgets: [budget('rel-l2', 0.2), later] }).map(told)).toEqual([
      ['rel-l2', 'sdpa', 0.1, 0.2, 0, true],
      ['rel-l2', 'sdpa', 0.5, 0.6, 1, true],
    ]);
    expect(checksOf(rows, { budgets: [later, budget('rel-l2', 0.2)] }).map(told)).toEqual([
      ['rel-l2', 'sdpa', 0.5, 0.2, 1, false],
    ]);
    expect(
      checksOf(rows, {
        budgets: [budget('rel-l2', 0.2), budget('rel-l2', 0, { layers: [[1, 1]], level: 'off' })],
      }).map(told),
    ).toEqual([['rel-l2', 'sdpa', 0.1, 0.2, 0, true]]);
  });

  const missed = (
    more: Partial<Budget>,
    rows: readonly Row[] = [sampleRow({ relL2: 0 })],
  ): unknown[] =>
    checksOf(rows, { budgets: [budget('rel-l2', 1, more)] }).map(
      ({ implementation, subject, level, actual, passed }) => [
        implementation,
        subject,
        level,
        actual,
        passed,
      ],
    );

  it.each<[string, Partial<Budget>, string]>([
    ['batch', { batches: ['left', 'rigth'] }, 'batch rigth'],
    [
      'range of layers',
      {
        layers: [
          [0, 0],
          [90, 99],
        ],
      },
      'layers 90-99',
    ],
    [
      'layer',
      {
        layers: [
          [0, 3],
          [7, 7],
        ],
      },
      'layers 7',
    ],
    ['tap', { taps: ['attention', 'logits'] }, 'tap logits'],
    ['scope', { scopes: ['accumulated', 'local'] }, 'scope local'],
    ['kind', { kinds: ['valid', 'fullyMasked'] }, 'kind fullyMasked'],
  ])(
    'fails where one entry of its lists matches nothing, and says which: a %s',
    (_, more, subject) => {
      expect(missed(more)).toEqual([
        ['sdpa', null, 'error', 0, true],
        ['eager', subject, 'error', NaN, false],
      ]);
      expect(missed({ ...more, level: 'warn' })).toEqual([
        ['sdpa', null, 'warn', 0, true],
        ['eager', subject, 'warn', NaN, false],
      ]);
      expect(missed({ ...more, level: 'off' })).toEqual([]);
    },
  );

  it('fails where an implementation that it names took no part, or is the reference', () => {
    expect(missed({ implementations: ['sdpa', 'flash'] })).toEqual([
      ['sdpa', null, 'error', 0, true],
      ['flash', 'implementation flash', 'error', NaN, false],
    ]);
    expect(
      missed({ implementations: ['eager'] }, [
        sampleRow({}),
        sampleRow({ implementation: 'eager' }),
      ]),
    ).toEqual([['eager', 'implementation eager', 'error', NaN, false]]);
  });

  it('blames the entry that is nowhere, not those that match nothing because of it', () => {
    expect(missed({ implementations: ['sdpa'], batches: ['left'], layers: [[90, 99]] })).toEqual([
      ['eager', 'layers 90-99', 'error', NaN, false],
    ]);
  });

  it('fails where its entries match something, but nothing together', () => {
    const rows = [sampleRow({}), sampleRow({ layer: null, tap: 'logits' })];
    expect(missed({ layers: [[0, 0]], taps: ['attention', 'logits'] }, rows)).toEqual([
      ['sdpa', null, 'error', expect.any(Number), true],
      ['eager', 'tap logits', 'error', NaN, false],
    ]);
  });

  it('fails for each implementation on which it finds nothing, whatever it finds on others', () => {
    const rows = [sampleRow({ relL2: 0 }), sampleRow({ implementation: 'flash', tap: 'hidden' })];
    expect(missed({ taps: ['attention'] }, rows)).toEqual([
      ['sdpa', null, 'error', 0, true],
      ['flash', null, 'error', NaN, false],
    ]);
    expect(checksOf(rows, { budgets: [budget('kl', 1)] }).map(told)).toEqual([
      ['kl', 'sdpa', NaN, 1, null, false],
      ['kl', 'flash', NaN, 1, null, false],
    ]);
  });

  it('fails on NaN, whatever its limit and wherever the NaN is', () => {
    const rows = [
      sampleRow({ relL2: Infinity }),
      sampleRow({ layer: 1, relL2: NaN }),
      sampleRow({ layer: 2, relL2: 1 }),
    ];
    expect(checksOf(rows, { budgets: [budget('rel-l2', Infinity)] }).map(told)).toEqual([
      ['rel-l2', 'sdpa', NaN, Infinity, 1, false],
    ]);
    expect(checksOf(rows, { budgets: [budget('min-cosine', -1)] })[0]!.passed).toBe(true);
  });

  it('of level warn is told, and fails nothing', () => {
    const verdict = judge(
      { ...sampleReport(), findings: [] },
      gateOf({ budgets: [budget('rel-l2', 0, { level: 'warn' })] }),
    );
    expect(verdict.checks.some(({ passed, level }) => !passed && level === 'warn')).toBe(true);
    expect(verdict.passed).toBe(true);
  });

  it('of the effects looks at every batch that has targets', () => {
    const effect = (more: Partial<EffectRow>): EffectRow => ({
      batch: 'left',
      implementation: 'sdpa',
      targets: 10,
      loss: 2,
      perplexity: Math.exp(2),
      kl: 0.1,
      flips: 3,
      ...more,
    });
    const effects = [
      effect({ implementation: 'eager', loss: 2.5, kl: 0, flips: 0 }),
      effect({}),
      effect({ batch: 'right', targets: 0, loss: NaN, kl: NaN }),
      effect({ batch: 'right', implementation: 'eager', targets: 0, loss: NaN, kl: NaN }),
    ];
    expect(
      checksOf(
        [sampleRow({})],
        { budgets: [budget('loss', 0.4), budget('kl', 0.1), budget('flips', 0.3)] },
        { effects },
      ).map(told),
    ).toEqual([
      ['loss', 'sdpa', 0.5, 0.4, null, false],
      ['kl', 'sdpa', 0.1, 0.1, null, true],
      ['flips', 'sdpa', 0.3, 0.3, null, true],
    ]);
  });
});

describe('the budgets that attn-diff brings', () => {
  const rounded = (local: number, accumulated = local): DiffReport['implementations'] =>
    sampleReport().implementations.map((info) => ({ ...info, rounding: { local, accumulated } }));
  const verdictOn = (row: Partial<Row>, rounding: number, gate: GateWords = {}): Check[] =>
    checksOf(
      [sampleRow({ scope: 'local', ...row })],
      { defaults: 'error', ...gate },
      { implementations: rounded(rounding) },
    ).filter(({ name }) => name === 'rel-l2');

  it.each(['fp32', 'fp16', 'bf16', 'int8'] as const)(
    'allow %s what its limits say, and rounding less than that',
    (precision) => {
      const { local, accumulated } = DEFAULT_LIMITS[precision];
      expect(verdictOn({ relL2: local }, ROUNDING[precision])).toMatchObject([
        { expected: local, level: 'error', passed: true, source: { kind: 'default', precision } },
      ]);
      expect(verdictOn({ relL2: local * 1.01 }, ROUNDING[precision])).toMatchObject([
        { passed: false },
      ]);
      expect(
        verdictOn(
          { relL2: accumulated * 1.01, scope: 'accumulated', tap: 'hidden' },
          ROUNDING[precision],
        ),
      ).toMatchObject([{ expected: accumulated, level: 'warn', passed: false }]);
      expect(Math.min(local, accumulated)).toBeGreaterThanOrEqual(ROUNDING[precision]);
    },
  );

  it('allow two streams of one computation no difference at all', () => {
    expect(verdictOn({ relL2: 1e-300 }, 0)).toMatchObject([
      { expected: 0, level: 'error', passed: false, source: { precision: 'same' } },
    ]);
    expect(verdictOn({ relL2: 1e-300, scope: 'accumulated' }, 0)).toMatchObject([
      { expected: 0, level: 'error', passed: false },
    ]);
  });

  it('leave NaN to the check of NaN, and say nothing of padding or of the reference', () => {
    expect(verdictOn({ relL2: NaN }, 1e-5)).toEqual([]);
    expect(verdictOn({ relL2: 1, kind: 'padding' }, 1e-5)).toEqual([]);
    expect(verdictOn({ relL2: 1, implementation: 'eager' }, 1e-5)).toEqual([]);
  });

  it('can be warnings, or off, or replaced', () => {
    expect(verdictOn({ relL2: 1 }, 1e-5, { defaults: 'warn' })).toMatchObject([{ level: 'warn' }]);
    expect(verdictOn({ relL2: 1 }, 1e-5, { defaults: 'off' })).toEqual([]);
    expect(verdictOn({ relL2: 1 }, 1e-5, { budgets: [budget('rel-l2', 2)] })).toMatchObject([
      { expected: 2, passed: true, source: { kind: 'flag' } },
    ]);
  });

  it('warn below fp32 where the error is more than twice that of plain attention', () => {
    const implementations = sampleReport().implementations.map((info) => ({
      ...info,
      precision: 'bf16' as const,
    }));
    const ratios = (precision: 'fp32' | 'bf16'): Check[] =>
      checksOf(
        [sampleRow({ scope: 'local', ratioPlain: DEFAULT_RATIO * 1.1 })],
        { defaults: 'error' },
        { implementations, precision },
      ).filter(({ name }) => name === 'max-ratio');
    expect(ratios('bf16')).toMatchObject([
      { implementation: 'sdpa', expected: 2, level: 'warn', passed: false },
    ]);
    // Plain attention in another precision than an implementation's, such as an fp16 file's own nodes, says nothing of it.
    expect(ratios('fp32')).toEqual([]);
  });

  it('are in the documents as they are in the code', () => {
    const [table] = tablesBelow(readDocument('docs/gate.md'), '## Limits that attn-diff brings');
    const limits = Object.entries(DEFAULT_LIMITS)
      .filter(([precision]) => precision !== 'same')
      .map(([precision, { local, accumulated }]) => [precision, local, accumulated]);
    expect(
      table!.map(([precision, local, accumulated]) => [
        precision,
        Number(local),
        Number(accumulated),
      ]),
    ).toEqual(limits);
  });
});

describe('a part of a run', () => {
  const rows = [sampleRow({ batch: 'left', maxAbs: 0.5 })];
  const judged = {
    rows,
    effects: [],
    findings: [],
    implementations: [],
    reference: 'eager',
    precision: 'fp32' as const,
  };
  const options = gateOf({
    failOn: 'none',
    budgets: [
      budget('max-abs', 1, { batches: ['right'] }),
      budget('max-abs', 7, { implementations: ['flash'] }),
      budget('max-abs', 0.1, { batches: ['left'] }),
    ],
  });
  const metrics = (isPart: boolean): (readonly [number, boolean])[] =>
    judge(judged, options, { isPart })
      .checks.filter(({ name }) => name === 'max-abs')
      .map(({ expected, passed }) => [expected, passed] as const);

  it('does not miss what other parts have to measure, and misses what it has', () => {
    expect(metrics(true)).toEqual([[0.1, false]]);
    expect(metrics(false)).toEqual([
      [1, false],
      [7, false],
      [0.1, false],
    ]);
  });
});

describe('a finding', () => {
  const diverging: Finding = {
    code: 'local-divergence',
    implementation: 'sdpa',
    layer: 3,
    batch: 'left',
    relL2: 5e-5,
    limit: 1e-5,
    firstToken: null,
  };
  const checksOn = (findings: Finding[], levels: GateWords['findings'] = {}): Check[] =>
    checksOf([sampleRow({})], { findings: levels }, { findings });

  it('that is a fault is a warning, and at the level that it is given else', () => {
    expect(checksOn([diverging])).toMatchObject([
      {
        name: 'finding',
        subject: 'local-divergence',
        level: 'warn',
        implementation: 'sdpa',
        layer: 3,
        batch: 'left',
        passed: false,
      },
    ]);
    expect(checksOn([diverging], { 'local-divergence': 'error' })).toMatchObject([
      { level: 'error' },
    ]);
    expect(checksOn([diverging], { 'local-divergence': 'off' })).toEqual([]);
    expect(checksOn([{ code: 'identical', implementation: 'sdpa' }])).toEqual([]);
    expect(
      checksOn([{ code: 'identical', implementation: 'sdpa' }], { identical: 'error' }),
    ).toMatchObject([{ level: 'error', passed: false }]);
  });

  it('that every implementation inherits from the file fails, since no number can', () => {
    const deviation: Finding = {
      code: 'not-as-configured',
      aspect: 'scale',
      part: null,
      layers: [2, 3],
      expected: 0.25,
      found: 0.5,
      against: 'config',
    };
    expect(checksOn([deviation])).toMatchObject([
      { name: 'finding', subject: 'not-as-configured', level: 'error', layer: 2, passed: false },
    ]);
    expect(checksOn([deviation], { 'not-as-configured': 'warn' })).toMatchObject([
      { level: 'warn' },
    ]);
  });

  it('has a level whatever its code', () => {
    expect(FINDING_CODES.length).toBeGreaterThan(25);
    expect(
      FINDING_CODES.every((code) => ['fault', 'notice', 'fine'].includes(findingLevel({ code }))),
    ).toBe(true);
  });
});
