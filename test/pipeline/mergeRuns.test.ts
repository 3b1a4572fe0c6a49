import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseRunOptions, type RawRunOptions } from '../../src/config/index.js';
import { AttnDiffError } from '../../src/errors.js';
import { openCheckpoint } from '../../src/pipeline/checkpoint.js';
import type { BatchResult } from '../../src/pipeline/measure.js';
import { mergeShards } from '../../src/pipeline/merge.js';
import { prepareRun, type PreparedRun } from '../../src/pipeline/prepare.js';
import { runDiff } from '../../src/pipeline/run.js';
import { batchesOf, shardOf } from '../../src/pipeline/shard.js';
import { readReport } from '../../src/report/index.js';
import { inProcessRunners } from '../../src/runners/inProcess.js';
import type { Runners } from '../../src/runners/types.js';
import type { DiffReport } from '../../src/types.js';
import { failingRunners } from '../support/failingRunners.js';
import { fixture } from '../support/fixtures.js';
import { textOf } from '../support/shards.js';

const folder = mkdtempSync(join(tmpdir(), 'attn-diff-shards-'));
afterAll(() => rmSync(folder, { recursive: true }));

const data = join(folder, 'data.txt');
writeFileSync(
  data,
  [
    'The bridge was closed.',
    'So everyone took the ferry across the river.',
    'Good morning.',
    'It rained.',
    'Nobody knew why the light was on.',
    'One, two, three.',
    'Yes.',
  ].join('\n'),
);

/** The parts of a run, each written to a file and read again. */
async function shardsOf(
  whole: PreparedRun,
  count: number,
): Promise<{ path: string; report: DiffReport }[]> {
  const shards: { path: string; report: DiffReport }[] = [];
  for (let index = 1; index <= count; index++) {
    const place = { index, count };
    const report = await runDiff(
      { ...whole, batches: batchesOf(whole.batches, place), shard: shardOf(whole.batches, place) },
      inProcessRunners(),
      hooks(whole),
    );
    shards.push({ path: `${index}.json`, report: readReport(textOf(report), `${index}.json`) });
  }
  return shards;
}

function hooks({ config }: PreparedRun): { explainAllLayers: boolean } {
  return { explainAllLayers: config.command[0] === 'explain' };
}

function timeless(report: DiffReport): string {
  return textOf({ ...report, timing: { loadSeconds: 0, runSeconds: 0 } });
}

async function prepared(options: RawRunOptions, subcommand = 'run'): Promise<PreparedRun> {
  return prepareRun(parseRunOptions(options, { subcommand }));
}

const codes = ({ findings }: DiffReport): string[] => findings.map(({ code }) => code);

describe('the shards of a run on a model', () => {
  it.each<[string, string[], RawRunOptions, string]>([
    [
      'of four batches',
      ['identical', 'within-rounding'],
      {
        model: fixture('qwen2-optimum'),
        data,
        batchSize: '2',
        impl: 'eager,eager,flash',
        maxAbs: '1e-3',
      },
      'run',
    ],
    [
      'with NaN in each',
      ['fully-masked-nan', 'not-comparable'],
      {
        model: fixture('qwen2-eager-inf'),
        data,
        batchSize: '3',
        padding: 'left',
        impl: 'original,eager',
        reference: 'original',
      },
      'run',
    ],
    [
      'in bf16, with a cause',
      ['low-precision-scores'],
      {
        model: fixture('qwen2-large-scores'),
        data,
        batchSize: '4',
        precision: 'bf16',
        impl: 'eager',
        reference: 'exact',
        failOn: 'none',
      },
      'explain',
    ],
  ])(
    '%s give what one run gives, byte for byte but for its time',
    async (_, expected, options, subcommand) => {
      const run = await prepared(options, subcommand);
      const whole = await runDiff(run, inProcessRunners(), hooks(run));
      expect(codes(whole)).toEqual(expect.arrayContaining(expected));
      const shards = await shardsOf(run, 2);
      expect(timeless(await mergeShards(shards.toReversed()))).toBe(timeless(whole));
    },
  );
});

describe('what is kept of an interrupted shard', () => {
  it('is for that shard alone', async () => {
    const path = join(folder, 'kept.jsonl');
    const shard = async (text: string): Promise<PreparedRun> =>
      prepared({
        model: fixture('qwen2-optimum'),
        data,
        batchSize: '2',
        impl: 'eager',
        shard: text,
      });
    const [first, others] = [await shard('1/2'), [await shard('2/2'), await shard('1/3')]];
    expect(first.batches.map(({ name }) => name)).toEqual(['1', '3']);
    const results: BatchResult[] = [];
    await runDiff(first, inProcessRunners(), { onResult: (result) => results.push(result) });
    const keep = (...kept: BatchResult[]): void => {
      rmSync(path, { force: true });
      const checkpoint = openCheckpoint(path, first, false);
      for (const each of kept) checkpoint.keep(each);
    };
    const [result] = results as [BatchResult, BatchResult];
    const row = result.rows[0]!;
    const unsound: [BatchResult[], RegExp][] = [
      [[{ ...result, rows: [] }], /has no row in batch 1/],
      [
        [{ ...result, rows: result.rows.slice(1) }],
        /rows on valid tokens are missing, the first of eager/,
      ],
      [[{ ...result, rows: [...result.rows, row] }], /is there twice/],
      [
        [{ ...result, rows: result.rows.with(0, { ...row, exactRelL2: -1 }) }],
        /line 2, rows\.0\.exactRelL2: it is neither a number from 0 on/,
      ],
      [
        [{ ...result, rows: result.rows.with(0, { ...row, relL2: NaN }) }],
        /has a relative L2 of NaN/,
      ],
      [results.toReversed(), /line 2 is of batch 3, and should be of 1/],
      [[...results, result], /it holds 3 batches, and the run has 2/],
    ];
    for (const [kept, problem] of unsound) {
      keep(...kept);
      expect(() => openCheckpoint(path, first, true)).toThrow(
        expect.objectContaining({
          code: 'resume-unreadable',
          exitCode: 2,
          args: { path, problem: expect.stringMatching(problem) as string },
        }),
      );
    }
    keep(result);
    expect(openCheckpoint(path, first, true).done).toEqual([result]);
    for (const other of others)
      expect(() => openCheckpoint(path, other, true)).toThrow(
        expect.objectContaining({ code: 'resume-mismatch' }),
      );
  });
});

describe('an implementation that failed in one shard', () => {
  const crash = new AttnDiffError('runner-crashed', {
    stage: 'running the batches',
    signal: 'SIGSEGV',
  });
  const failing = (): Runners => failingRunners([{ stream: 'flash', run: 0, error: crash }]);

  it('has failed in the whole, as in a run that went on after it', async () => {
    const run = await prepared({
      model: fixture('qwen2-head64'),
      random: '2x9',
      impl: 'eager,flash',
    });
    const results: BatchResult[] = [];
    const part = (index: number): PreparedRun => ({
      ...run,
      batches: batchesOf(run.batches, { index, count: 2 }),
      shard: shardOf(run.batches, { index, count: 2 }),
    });
    const first = await runDiff(part(1), failing(), { onResult: (result) => results.push(result) });
    expect(first).toMatchObject({ verdict: { passed: false }, shard: { index: 1 } });
    const second = await runDiff(part(2), inProcessRunners());
    const whole = await runDiff(run, inProcessRunners(), { done: results });
    const merged = await mergeShards([
      { path: 'b', report: second },
      { path: 'a', report: first },
    ]);
    expect(timeless(merged)).toBe(timeless(whole));
    expect(merged.implementations[1]).toMatchObject({
      name: 'flash',
      proof: 'not-provable',
      reason: 'failed',
      failure: { kind: 'crashed', batch: 'left' },
    });
    expect(merged.verdict.checks.find(({ name }) => name === 'completed')).toMatchObject({
      implementation: 'flash',
      passed: false,
    });
  });
});
