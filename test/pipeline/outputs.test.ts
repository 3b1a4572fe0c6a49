import { beforeAll, describe, expect, it } from 'vitest';
import { rebuild } from '../../src/attention/rebuild.js';
import { streamOf } from '../../src/attention/settings.js';
import { parseBenchOptions, parseRunOptions } from '../../src/config/index.js';
import type { GraphBuilder } from '../../src/onnx/builder.js';
import { encodeModel } from '../../src/onnx/read.js';
import type { GraphProto } from '../../src/onnx/types.js';
import { prepareBench, runBench } from '../../src/pipeline/bench.js';
import { diffFeeds } from '../../src/pipeline/feeds.js';
import { openHead, type HeadResult } from '../../src/pipeline/headPass.js';
import { loadModel } from '../../src/pipeline/load.js';
import { resolveLogits } from '../../src/pipeline/logits.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { checkRebuild } from '../../src/pipeline/rebuildCheck.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { runDiff } from '../../src/pipeline/run.js';
import { FORMATS } from '../../src/report/index.js';
import { inProcessRunner, inProcessRunners } from '../../src/runners/inProcess.js';
import type { Batch, DiffReport } from '../../src/types.js';
import { formReference } from '../support/forms.js';
import {
  enteringHead,
  giveOut,
  PLAIN_FORM,
  surgeon,
  withoutOutputs,
} from '../support/modelSurgery.js';

const make = surgeon();
const runner = inProcessRunner();
const [VOCABULARY, HIDDEN] = [272, 64];
const WIDE = { width: 400, color: false };
const textOf = (report: DiffReport): string => FORMATS.text(report, WIDE).replaceAll(/\s+/g, ' ');

/** A body alone: what enters the head is all that it gives. */
const body = make('body', {
  graph: (graph, builder) => {
    const entering = enteringHead(graph);
    withoutOutputs(graph);
    giveOut(graph, builder, 'last_hidden_state', entering, ['batch', 'sequence', HIDDEN]);
  },
});

/** Gives the logits of each row's last `count` columns. */
const pruned =
  (count: number, behind = false) =>
  (graph: GraphProto, builder: GraphBuilder): void => {
    const last = (tensor: string): string =>
      builder.op('Slice', [
        tensor,
        builder.ints(-count),
        builder.ints(Number.MAX_SAFE_INTEGER),
        builder.ints(1),
      ]);
    const head = graph.node.findLast(({ opType }) => opType === 'MatMul')!;
    if (!behind) head.input[0] = last(head.input[0]!);
    const inner = withoutOutputs(graph);
    giveOut(graph, builder, 'logits', behind ? last(inner) : inner, ['batch', count, VOCABULARY]);
  };

async function run(model: string, options: object = {}): Promise<DiffReport> {
  return runDiff(
    await prepareRun(parseRunOptions({ model, random: '2x8', impl: 'eager,sdpa', ...options })),
    inProcessRunners(),
  );
}

/** What is said of the logits of eager on a batch. */
async function headOf(model: string, batch: Batch): Promise<HeadResult> {
  const loaded = await loadModel(model);
  const sites = await resolveSites(loaded, runner);
  const { logits, tokensOf } = await resolveLogits(loaded, runner);
  const roles = { streams: [streamOf('eager')], reference: 'eager', truth: 'eager' };
  const head = openHead({
    ...roles,
    graph: loaded.graph,
    logits: logits!.output,
    width: logits!.width,
    folder: loaded.folder,
  });
  const diff = rebuild({
    ...roles,
    graph: head.graph,
    sites,
    sizes: loaded.sizes,
    keep: [head.cut],
  });
  const session = await runner.open(
    { model: { bytes: encodeModel(diff.model), folder: loaded.folder } },
    'test',
  );
  const outputs = await session.run(diffFeeds(loaded.inputs, loaded.sizes, diff, batch));
  const pass = await head.open(runner);
  const result = await pass.run(outputs[head.cut]!, batch, 0, await tokensOf(batch));
  await Promise.all([session.close(), pass.close()]);
  return result;
}

describe('a file without logits', () => {
  let report: DiffReport;
  beforeAll(async () => {
    report = await run(body);
  });

  it('is compared in attention and hidden states, as usual', () => {
    expect(new Set(report.rows.map(({ tap }) => tap))).toEqual(new Set(['attention', 'hidden']));
    expect(
      report.rows
        .filter(
          ({ tap, kind, implementation }) =>
            tap === 'hidden' && kind === 'valid' && implementation === 'sdpa',
        )
        .map(({ layer }) => layer),
    ).toEqual([0, 1, 0, 1]);
    expect(report.verdict.passed).toBe(true);
  });

  it('has no loss, KL or flips, and says why in one line', () => {
    expect(report).toMatchObject({
      effects: [],
      logits: null,
      outputs: [{ name: 'last_hidden_state', kind: 'hidden-states' }],
    });
    const why = `No loss, perplexity, KL or flips: no output of the file is logits over the vocabulary of ${VOCABULARY}: it has last_hidden_state (hidden states).`;
    expect(textOf(report).split(why)).toHaveLength(2);
    expect(FORMATS.html(report, WIDE)).toContain(why);
    expect(FORMATS.markdown(report, WIDE).replaceAll('\\', '')).toContain(why);
    for (const name of ['text', 'markdown', 'csv', 'junit', 'github'] as const)
      expect(FORMATS[name](report, WIDE)).not.toMatch(
        /Δ loss|KL\(|perplexity +Δ|\| flips|^logits/m,
      );
    expect(FORMATS.html(report, WIDE)).not.toMatch(/<th[^>]*>(Δ loss|KL|flips)/);
  });

  it('is held to its own outputs by the rebuild check', async () => {
    const loaded = await loadModel(body);
    const sites = await resolveSites(loaded, runner);
    await expect(checkRebuild(loaded, sites, runner)).resolves.toMatchObject({
      check: { equivalent: 'eager' },
    });
    const other = await loadModel(
      make('other-body', {
        graph: (graph, builder) => {
          const entering = enteringHead(graph);
          withoutOutputs(graph);
          giveOut(
            graph,
            builder,
            'last_hidden_state',
            builder.op('Mul', [entering, builder.float(1.0001)]),
            ['batch', 'sequence', HIDDEN],
          );
        },
      }),
    );
    await expect(
      checkRebuild({ ...loaded, unmodified: other.unmodified }, sites, runner),
    ).rejects.toMatchObject({
      code: 'rebuild-differs',
      args: { what: expect.stringContaining('last_hidden_state') as string },
    });
  });

  it('is timed by bench', async () => {
    const { rows } = await runBench(
      await prepareBench(
        parseBenchOptions({
          model: body,
          impl: 'original,eager',
          lengths: '4',
          batch: '1',
          repeat: '1',
          warmup: '0',
        }),
      ),
      inProcessRunners(),
    );
    expect(rows.map(({ implementation, failure }) => [implementation, failure])).toEqual([
      ['original', null],
      ['eager', null],
    ]);
  });
});

describe('a file with the logits of some tokens', () => {
  const { batch, tensors } = formReference(PLAIN_FORM, 'left');
  const { data } = tensors.get('eager.logits')!;
  const logitsOf = (token: number): Float64Array =>
    Float64Array.from(
      (data as Float32Array).subarray(token * VOCABULARY, (token + 1) * VOCABULARY),
    );
  const last = (count: number): number[] =>
    Array.from({ length: batch.size }, (_, row) =>
      Array.from({ length: count }, (__, i) => (row + 1) * batch.length - count + i),
    ).flat();

  it.each([
    [1, false],
    [1, true],
    [3, false],
    [3, true],
  ])(
    'has the numbers of Hugging Face’s logits there: the last %i, chosen behind the head: %s',
    async (count, behind) => {
      const model = make(`pruned-${count}-${String(behind)}`, { graph: pruned(count, behind) });
      const {
        stats: [stats],
        effects: [effects],
      } = await headOf(model, batch);
      const measured = last(count);
      expect([...stats!.measured!].flatMap((bit, token) => (bit === 1 ? [token] : []))).toEqual(
        measured,
      );
      for (const token of measured) {
        const logits = logitsOf(token);
        expect(stats!.l2[token]! / Math.hypot(...logits)).toBeCloseTo(1, 5);
        expect(effects!.top1[token]).toBe(logits.indexOf(Math.max(...logits)));
        if ((token + 1) % batch.length === 0) continue;
        const most = Math.max(...logits);
        const nll =
          Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0)) +
          most -
          logits[Number(batch.inputIds[token + 1])]!;
        expect(effects!.nll[token]! / nll).toBeCloseTo(1, 4);
      }
    },
  );

  it('says of which tokens they are, and has no loss where no next token follows', async () => {
    const report = await run(make('pruned', { graph: pruned(1) }));
    expect(report).toMatchObject({ effects: [], logits: { output: 'logits', tokens: 'last' } });
    const rows = report.rows.filter(
      ({ tap, implementation }) => tap === 'logits' && implementation === 'sdpa',
    );
    expect(rows.map(({ batch: name, kind, tokens }) => [name, kind, tokens])).toEqual([
      ['left', 'valid', 2],
      ['right', 'valid', 1],
      ['right', 'padding', 1],
    ]);
    expect(textOf(report)).toContain(
      'The file gives logits of the last token of each row alone: what is said of logits is of those. No loss, perplexity, KL or flips: no batch holds the token after one of these.',
    );
  });

  it('has the loss of those that are followed by another', async () => {
    const report = await run(make('pruned-some', { graph: pruned(3) }));
    expect(report.logits).toMatchObject({ tokens: 'some' });
    expect(
      report.effects.filter(({ batch: name }) => name === 'left').map(({ targets }) => targets),
    ).toEqual([4, 4]);
    expect(textOf(report)).toContain(
      'The file gives logits of some tokens alone: what is said of logits is of those. loss:',
    );
  });
});
