import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readReport } from '../../src/report/index.js';
import { mergeShards } from '../../src/pipeline/merge.js';
import type { ReportFile } from '../../src/pipeline/mergeChecks.js';
import {
  CAUSES,
  type DiffReport,
  type Failure,
  type Finding,
  type GateOptions,
  type Row,
  type Shard,
} from '../../src/types.js';
import { budget, gateOf } from '../support/gate.js';
import {
  fakeReport,
  textOf,
  type FakeBatch,
  type FakeRun,
  type Oddity,
} from '../support/shards.js';

const NAN: Partial<Row> = { nan: 2, relL2: NaN, maxAbs: NaN, minCosine: NaN, exactRelL2: NaN };
/** What a row may be like: from bit-identical over what only some limits forgive to NaN and Inf. */
const ODD: readonly Partial<Row>[] = [
  { maxAbs: 0, relL2: 0 },
  { maxAbs: 2e-5, relL2: 2e-5 },
  { maxAbs: 1e-3, relL2: 1e-3, exactRelL2: 1e-3 },
  { maxAbs: 0.1, relL2: 0.1, firstToken: 2 },
  { maxAbs: 0.2, relL2: 0.2, exactRelL2: 0.2 },
  { maxAbs: Infinity, relL2: Infinity, inf: 1 },
  NAN,
  { ...NAN, nan: 5 },
  { zeroRows: 3 },
];

const odd: fc.Arbitrary<Oddity> = fc.record({
  implementation: fc.nat(2),
  row: fc.nat(40),
  what: fc.constantFrom(...ODD),
});
const batch: fc.Arbitrary<FakeBatch> = fc.record({
  kinds: fc.constantFrom<FakeBatch['kinds'][]>(
    ['valid'],
    ['valid', 'padding'],
    ['valid', 'fullyMasked'],
    ['valid', 'padding', 'fullyMasked'],
  ),
  odd: fc.oneof(fc.constant([]), fc.array(odd, { maxLength: 4 })),
});
const gate: fc.Arbitrary<GateOptions> = fc.record({
  budgets: fc.subarray([
    budget('max-abs', 0.05),
    budget('rel-l2', 1e-4, { batches: ['2'], level: 'warn' }),
    budget('loss', 0.5),
    budget('max-ratio', 2, { kinds: ['padding'], layers: [[1, 2]] }),
  ]),
  defaults: fc.constantFrom('off', 'warn', 'error'),
  findings: fc.constantFrom<GateOptions['findings'][]>(
    {},
    { 'local-divergence': 'error', 'propagation-only': 'warn' },
  ),
  failOn: fc.constantFrom('nan', 'none'),
  requireKernel: fc.boolean(),
});
const anyRun: fc.Arbitrary<FakeRun> = fc.record({
  batches: fc.array(batch, { minLength: 1, maxLength: 6 }),
  identical: fc.boolean(),
  gate,
  seed: fc.nat(),
});

async function shardsOf(run: FakeRun, count: number): Promise<ReportFile[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, i) => ({
      path: `${i + 1}.json`,
      report: await fakeReport(run, { index: i + 1, count }),
    })),
  );
}

type Parted = DiffReport & { shard: Shard };

const codes = ({ findings }: DiffReport): string[] => findings.map(({ code }) => code);

describe('what is made of all shards', () => {
  const seen = new Set<Finding['code']>();

  it('is what one run gives, byte for byte, however many there are and in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRun,
        fc.integer({ min: 1, max: 9 }),
        fc.infiniteStream(fc.nat()),
        async (run, count, order) => {
          const whole = await fakeReport(run, null);
          const files = (await shardsOf(run, count))
            .map((file) => ({ file, at: order.next().value as number }))
            .toSorted((a, b) => a.at - b.at);
          expect(textOf(await mergeShards(files.map(({ file }) => file)))).toBe(textOf(whole));
          for (const { code } of whole.findings) seen.add(code);
        },
      ),
      { numRuns: 80, seed: 6 },
    );
  });

  it('was so with findings of every kind that second passes look into, and leave behind', () => {
    expect([...seen]).toEqual(
      expect.arrayContaining([
        'non-finite',
        'fully-masked-nan',
        'score-overflow',
        'not-comparable',
        'node-divergence',
        'local-divergence',
        'propagation-only',
        'within-rounding',
        'identical',
        'padding-by-design',
        'window-not-as-configured',
      ]),
    );
    expect(CAUSES.some((cause) => seen.has(cause))).toBe(true);
  });

  it('is asked for the first place of all where only another shard parts by more than its rounding', async () => {
    const accumulated = (relL2: number, row: number): FakeBatch => ({
      kinds: ['valid'],
      odd: [{ implementation: 2, row, what: { relL2, maxAbs: relL2 } }],
    });
    // flash's limit is 2^-9: the first batch stays within it, and has the first place beyond fp32 rounding.
    const run = { batches: [accumulated(1e-3, 1), accumulated(0.01, 4)], gate: gateOf(), seed: 4 };
    const [whole, shards] = [await fakeReport(run, null), await shardsOf(run, 2)];
    expect(codes(shards[0]!.report)).toContain('within-rounding');
    expect(whole.findings).toContainEqual(
      expect.objectContaining({
        code: 'node-divergence',
        implementation: 'flash',
        batch: '1',
        layer: 0,
      }),
    );
    expect((await mergeShards(shards)).findings).toEqual(whole.findings);
  });
});

describe('shards', () => {
  const clean: FakeBatch = { kinds: ['valid', 'padding'], odd: [] };
  const run: FakeRun = {
    batches: [
      clean,
      {
        kinds: ['valid'],
        odd: [
          { implementation: 1, row: 0, what: NAN },
          { implementation: 2, row: 0, what: { relL2: 0.1 } },
        ],
      },
      clean,
    ],
    gate: gateOf({ maxAbs: 1 }),
    seed: 1,
  };

  /** Three shards, one of them changed. */
  async function edited(
    edit: (report: Parted) => Partial<DiffReport>,
    index = 1,
  ): Promise<ReportFile[]> {
    const files = await shardsOf(run, 3);
    return files.map(({ path, report }, i) => ({
      path,
      report: i === index ? { ...report, ...edit(report as Parted) } : report,
    }));
  }

  it('that are written and read are as they were', async () => {
    const { report } = (await shardsOf(run, 2))[1]!;
    expect(report.shard!.answers.causes).not.toEqual([]);
    expect(report.shard!.answers.origins).not.toEqual([]);
    expect(readReport(textOf(report), 'report.json')).toEqual(report);
  });

  it('without batches find nothing, and miss nothing', async () => {
    const shard = await fakeReport(
      { ...run, gate: gateOf({ maxAbs: 0, requireKernel: true, budgets: [budget('loss', 0)] }) },
      { index: 4, count: 4 },
    );
    expect(shard).toMatchObject({
      batches: [],
      rows: [],
      findings: [],
      explanations: [],
      verdict: { passed: true, checks: [] },
      shard: { index: 4, batches: ['1', '2', '3'] },
    });
  });

  it.each<[string, (report: Parted) => Partial<DiffReport>]>([
    ['environment.cpu', ({ environment }) => ({ environment: { ...environment, cpu: 'another' } })],
    [
      'environment.attnDiff',
      ({ environment }) => ({ environment: { ...environment, attnDiff: '9.9.9' } }),
    ],
    ['command.2', ({ command }) => ({ command: command.with(2, 'another') })],
    ['command.3', ({ command }) => ({ command: [...command, '--heads'] })],
    ['model.sha256', ({ model }) => ({ model: { ...model, sha256: '0'.repeat(64) } })],
    ['shard.count', ({ shard }) => ({ shard: { ...shard, count: 4 } })],
    ['shard.batches.2', ({ shard }) => ({ shard: { ...shard, batches: ['1', '2', '4'] } })],
    ['shard.data', ({ shard }) => ({ shard: { ...shard, data: '0'.repeat(64) } })],
    ['shard.threads', ({ shard }) => ({ shard: { ...shard, threads: 4 } })],
    [
      'shard.gate.failOn',
      ({ shard }) => ({ shard: { ...shard, gate: { ...shard.gate, failOn: 'none' } } }),
    ],
    [
      'shard.gate.budgets.0.limit',
      ({ shard }) => ({ shard: { ...shard, gate: gateOf({ maxAbs: 2 }) } }),
    ],
    ['reference', () => ({ reference: 'sdpa' })],
    ['precision', () => ({ precision: 'bf16' })],
    [
      'rebuild.equivalentRelL2',
      ({ rebuild }) => ({ rebuild: { ...rebuild, equivalentRelL2: 1e-6 } }),
    ],
    [
      'implementations.1.name',
      ({ implementations }) => ({
        implementations: implementations.map((info) => ({
          ...info,
          name: `${info.name}` === 'sdpa' ? 'exact' : info.name,
        })),
      }),
    ],
    [
      'implementations.2.rounding.local',
      ({ implementations }) => ({
        implementations: implementations.map((info) => ({
          ...info,
          rounding: { ...info.rounding, local: info.name === 'flash' ? 0.5 : info.rounding.local },
        })),
      }),
    ],
    [
      'implementations.flash.kernel',
      ({ implementations }) => ({
        implementations: implementations.map((info) => ({
          ...info,
          kernel: info.name === 'flash' ? 'another' : info.kernel,
        })),
      }),
    ],
    [
      'findings.0',
      ({ findings }) => ({
        findings: findings.filter(({ code }) => code !== 'window-not-as-configured'),
      }),
    ],
  ])('that differ in %s are refused, the file and the field named', async (field, edit) => {
    await expect(mergeShards(await edited(edit))).rejects.toMatchObject({
      code: 'merge-differs',
      exitCode: 2,
      args: { path: '2.json', other: '1.json', field },
    });
  });

  it('are refused where one is missing, there twice, or none', async () => {
    const [one, two, three] = (await shardsOf(run, 3)) as [ReportFile, ReportFile, ReportFile];
    const whole = { path: 'whole.json', report: await fakeReport(run, null) };
    await expect(mergeShards([three, one])).rejects.toMatchObject({
      code: 'merge-missing',
      args: { missing: [2], count: 3 },
    });
    await expect(
      mergeShards([one, two, three, { ...two, path: 'again.json' }]),
    ).rejects.toMatchObject({
      code: 'merge-twice',
      args: { path: 'again.json', other: '2.json', index: 2 },
    });
    await expect(mergeShards([])).rejects.toMatchObject({
      code: 'bad-option',
      exitCode: 2,
      args: { option: 'files', problem: 'there is none' },
    });
    await expect(mergeShards([one, whole])).rejects.toMatchObject({
      code: 'merge-not-shard',
      args: { path: 'whole.json' },
    });
  });

  it.each<[string, (report: Parted) => Partial<DiffReport>]>([
    ['has lost a batch', () => ({ batches: [], rows: [] })],
    [
      'has the batch of another',
      ({ batches }) => ({ batches: [...batches, { ...batches[0]!, name: '3' }] }),
    ],
    ['has rows of another', ({ rows }) => ({ rows: [...rows, { ...rows[0]!, batch: '3' }] })],
    ['has no rows of its batch', () => ({ rows: [] })],
    [
      'has no rows of one implementation',
      ({ rows }) => ({ rows: rows.filter(({ implementation }) => implementation !== 'flash') }),
    ],
    [
      'has no local rows of one implementation',
      ({ rows }) => ({
        rows: rows.filter(
          ({ implementation, scope }) => implementation !== 'flash' || scope !== 'local',
        ),
      }),
    ],
    [
      'has no rows of one layer',
      ({ rows }) => ({
        rows: rows.filter(({ layer, implementation }) => layer !== 1 || implementation !== 'sdpa'),
      }),
    ],
    ['has a row twice', ({ rows }) => ({ rows: [...rows, rows[0]!] })],
    [
      'has no predictions of one implementation',
      ({ effects }) => ({
        effects: effects.filter(({ implementation }) => implementation !== 'flash'),
      }),
    ],
    [
      'has NaN where nothing is NaN',
      ({ rows }) => ({
        rows: rows.map((row) =>
          row.implementation === 'flash' && row.layer === 1 ? { ...row, relL2: NaN } : row,
        ),
      }),
    ],
    [
      'has another batch under the name of its own',
      ({ batches }) => ({ batches: [{ ...batches[0]!, sha256: '0'.repeat(64) }] }),
    ],
  ])('are refused where one %s', async (_, edit) => {
    await expect(mergeShards(await edited(edit))).rejects.toMatchObject({
      code: 'merge-damaged',
      exitCode: 2,
    });
  });

  it.each(['origins', 'causes'] as const)(
    'are refused where the whole asks what none was asked: %s',
    async (list) => {
      const files = await edited(({ shard }) => ({
        shard: { ...shard, answers: { ...shard.answers, [list]: [] } },
      }));
      await expect(mergeShards(files)).rejects.toMatchObject({
        code: 'merge-unanswered',
        exitCode: 2,
        args: { path: '2.json', batch: '2' },
      });
    },
  );

  it('may come from machines that differ where that is allowed by name, and the whole says which', async () => {
    const files = await edited(({ environment, rebuild }) => ({
      environment: { ...environment, cpu: 'Xeon', node: '22.0.0' },
      rebuild: { ...rebuild, equivalentRelL2: 1e-6 },
    }));
    await expect(mergeShards(files, new Set(['cpu']))).rejects.toMatchObject({
      code: 'merge-differs',
      args: { field: 'environment.node' },
    });
    const merged = await mergeShards(files, new Set(['cpu', 'node', 'gpu']));
    const { cpu, node } = files[0]!.report.environment;
    expect(merged.environment).toEqual({
      ...files[0]!.report.environment,
      cpu: `${cpu} (shards 1, 3); Xeon (shard 2)`,
      node: `${node} (shards 1, 3); 22.0.0 (shard 2)`,
    });
    expect(merged.rebuild.equivalentRelL2).toBe(1e-6);
    const threaded = await edited(({ shard }) => ({ shard: { ...shard, threads: 1 } }));
    expect((await mergeShards(threaded, new Set(['threads']))).environment.cpu).toBe(
      `${cpu}, 2 threads (shards 1, 3); ${cpu}, 1 thread (shard 2)`,
    );
    const two = await edited(
      ({ environment }) => ({ environment: { ...environment, cpu: 'Xeon' } }),
      2,
    );
    expect((await mergeShards(two, new Set(['cpu']))).environment.cpu).toBe(
      `${cpu} (shards 1–2); Xeon (shard 3)`,
    );
  });

  it('that failed on two batches have the failure of the first by the order of the batches', async () => {
    const failing =
      (index: number, failure: Failure) =>
      (report: DiffReport): DiffReport => ({
        ...report,
        implementations: report.implementations.map((info) =>
          info.name === 'flash' && report.shard!.index === index
            ? { ...info, proof: 'not-provable', reason: 'failed', failure }
            : info,
        ),
      });
    const failure = (on: string | null, problem: string): Failure => ({
      kind: 'crashed',
      problem,
      stage: 'running',
      batch: on,
    });
    const merged = async (...failures: [number, Failure][]): Promise<Failure | null> => {
      const files = (await shardsOf(run, 3)).map(({ path, report }) => ({
        path,
        report: failures.reduce((changed, [index, each]) => failing(index, each)(changed), report),
      }));
      return (await mergeShards(files)).implementations.find(({ name }) => name === 'flash')!
        .failure;
    };
    expect(await merged([2, failure('2', 'first')], [3, failure('3', 'second')])).toMatchObject({
      batch: '2',
      problem: 'first',
    });
    expect(await merged([1, failure('1', 'first')], [3, failure('3', 'second')])).toMatchObject({
      batch: '1',
      problem: 'first',
    });
    // One that failed before its first batch failed before all of them.
    expect(await merged([1, failure('1', 'later')], [3, failure(null, 'at once')])).toMatchObject({
      batch: null,
      problem: 'at once',
    });
  });

  it('take the seconds of all', async () => {
    const files = (await shardsOf(run, 3)).map(({ path, report }, i) => ({
      path,
      report: { ...report, timing: { loadSeconds: 1, runSeconds: i } },
    }));
    expect((await mergeShards(files)).timing).toEqual({ loadSeconds: 3, runSeconds: 3 });
  });
});
