import { afterAll, describe, expect, it } from 'vitest';
import { buildBatch } from '../../src/batch/pad.js';
import { randomSequences } from '../../src/batch/random.js';
import { parseRunOptions } from '../../src/config/index.js';
import { findingLevel, findings } from '../../src/metrics/index.js';
import { explainDivergences } from '../../src/pipeline/explain.js';
import { lookAgain } from '../../src/pipeline/lookAgain.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { openMeasurement } from '../../src/pipeline/measure.js';
import { traceOrigins } from '../../src/pipeline/origin.js';
import { roundingLimits } from '../../src/pipeline/precision.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner, inProcessRunners } from '../../src/runners/inProcess.js';
import type { RebuildOptions } from '../../src/attention/rebuild.js';
import type { ResolvedSite } from '../../src/attention/evaluate.js';
import type { Batch, Finding, Row } from '../../src/types.js';
import { faultAt, type FaultPlace } from '../support/faults.js';
import { fixture } from '../support/fixtures.js';

/** Faults in all; `npm run bench:faults` plants more. */
const COUNT = Number(process.env['FAULTS'] ?? 39);
const CLEAN = Math.ceil(COUNT / 5);
const MODELS = ['qwen2-optimum', 'qwen2-dynamo', 'forms/qwen2-window-optimum'] as const;
const LENGTH = 24;

interface Bench {
  loaded: LoadedModel;
  sites: ResolvedSite[];
  place: (layer: number) => FaultPlace;
}

async function open(name: string): Promise<Bench> {
  const loaded = await loadModel(fixture(name));
  const sites = await resolveSites(loaded, inProcessRunner());
  const { heads, kvHeads, headDim } = loaded.sizes;
  const inverseFrequencies = Array.from(
    { length: headDim / 2 },
    (_, i) => loaded.source.config.rope!.theta ** ((-2 * i) / headDim),
  );
  return {
    loaded,
    sites,
    place: (layer) => ({
      heads,
      kvHeads,
      headDim,
      length: LENGTH,
      window: sites[layer]!.maskSummary.window,
      inverseFrequencies,
    }),
  };
}

interface Judged {
  rows: Row[];
  findings: Finding[];
}

/** What a run says of one implementation against eager, with a fault in it or without. */
async function judge(
  { loaded, sites }: Bench,
  batch: Batch,
  names: readonly string[],
  plant?: RebuildOptions['plant'],
): Promise<Judged> {
  const runners = inProcessRunners();
  const config = parseRunOptions({
    model: loaded.source.path,
    impl: names.join(','),
    random: '1x1',
  });
  const measurement = await openMeasurement(config, loaded, sites, [batch], runners, { plant });
  const { rows } = await measurement.run(batch);
  const implementations = await measurement.implementations();
  await measurement.close();
  const labels = config.implementations.map(({ label }) => label);
  const found = findings(
    rows,
    [batch],
    labels,
    config.reference,
    roundingLimits('fp32', implementations, config.implementations, config.reference),
  );
  const context = { config, loaded, sites, batches: [batch], runners, ...(plant && { plant }) };
  const { findings: explained } = await explainDivergences(
    { findings: found, rows },
    lookAgain(context),
  );
  return { rows, findings: await traceOrigins(explained, lookAgain(context)) };
}

function batchAt(i: number, { loaded: { sizes } }: Bench): Batch {
  return buildBatch({
    sequences: randomSequences({ batch: 3, length: LENGTH, seed: i, vocabSize: sizes.vocabSize }),
    padding: i % 2 === 0 ? 'left' : 'right',
    padTokenId: 0,
    length: null,
    source: 'random',
    name: 'bench',
  });
}

/** Whether the run's words on the planted stream are those for a fault. */
const isAlarm = (finding: Finding): boolean =>
  findingLevel(finding) === 'fault' || finding.code === 'local-divergence';

interface Outcome {
  what: string;
  name: string;
  moves: 'not at all' | 'within rounding' | 'beyond rounding';
  detected: boolean;
  placed: boolean;
  named: boolean;
  said: string;
}

const outcomes: Outcome[] = [];
const alarms: string[] = [];

async function plantAt(i: number, bench: Bench, model: string): Promise<Outcome> {
  const { fault, layer, implementation } = faultAt(i, bench.place, bench.sites.length);
  const batch = batchAt(i, bench);
  const stream = implementation === 'eager' ? 'eager#2' : implementation;
  const { rows, findings: found } = await judge(bench, batch, ['eager', implementation], {
    stream,
    layer,
    deviation: fault.deviation,
  });
  const own = rows.filter(
    (row) => row.implementation === stream && row.kind === 'valid' && row.scope === 'accumulated',
  );
  const clean = implementation === 'eager' ? 0 : 1e-5;
  const worst = own.some(({ nan }) => nan > 0)
    ? Infinity
    : Math.max(...own.map(({ relL2 }) => relL2));
  const alarm = found.find(
    (finding) =>
      isAlarm(finding) && 'implementation' in finding && finding.implementation === stream,
  );
  const at =
    alarm && 'layers' in alarm
      ? alarm.layers[0]
      : alarm && 'layer' in alarm
        ? alarm.layer
        : undefined;
  return {
    what: `${fault.name} ${JSON.stringify(fault.deviation, (key, value: unknown) => (key === 'inverseFrequencies' ? undefined : value))} in ${stream}, layer ${layer} of ${model}, ${batch.padding}`,
    name: fault.name,
    moves: worst === 0 ? 'not at all' : worst <= clean ? 'within rounding' : 'beyond rounding',
    detected: alarm !== undefined,
    placed: at === layer,
    named: alarm?.code === fault.cause,
    said: alarm
      ? `${alarm.code} at layer ${at}${'deviation' in alarm ? ` ${JSON.stringify({ ...alarm.deviation, inverseFrequencies: undefined })} explains ${alarm.explained.toFixed(3)}` : ''}`
      : `nothing (relative L2 ${worst})`,
  };
}

describe.each(MODELS)('%s', (model) => {
  it('finds, places and names faults planted in one layer', async () => {
    const bench = await open(model);
    for (let i = MODELS.indexOf(model); i < COUNT; i += MODELS.length)
      outcomes.push(await plantAt(i, bench, model));
    const own = outcomes.filter(({ what }) => what.includes(model));
    const moving = own.filter(({ moves }) => moves === 'beyond rounding');
    expect(moving.length).toBeGreaterThan(0);
    expect(
      moving.filter(({ detected }) => !detected).map(({ what, said }) => `${what}: ${said}`),
    ).toEqual([]);
    const share = (key: 'placed' | 'named'): number =>
      moving.filter((outcome) => outcome[key]).length / moving.length;
    expect(share('placed')).toBeGreaterThanOrEqual(0.99);
    expect(share('named')).toBeGreaterThanOrEqual(0.95);
  }, 3_600_000);

  it('raises no alarm on clean runs', async () => {
    const bench = await open(model);
    for (let i = MODELS.indexOf(model); i < CLEAN; i += MODELS.length) {
      const { findings: found } = await judge(bench, batchAt(5000 + i, bench), [
        'eager',
        'eager',
        'sdpa',
        'flash',
      ]);
      alarms.push(
        ...found.filter(isAlarm).map((finding) => `${model}: ${JSON.stringify(finding)}`),
      );
    }
    expect(alarms).toEqual([]);
  }, 3_600_000);
});

// oxlint-disable-next-line vitest/require-top-level-describe -- one table of all fixtures
afterAll(() => {
  const moving = outcomes.filter(({ moves }) => moves === 'beyond rounding');
  const count = (of: (outcome: Outcome) => boolean): number => outcomes.filter(of).length;
  const lines = [
    `${outcomes.length} faults in ${MODELS.length} models: ${moving.length} move the numbers beyond rounding, ${count(({ moves }) => moves === 'within rounding')} within, ${count(({ moves }) => moves === 'not at all')} not at all`,
    ...(['detected', 'placed', 'named'] as const).map(
      (key) => `${key}: ${moving.filter((outcome) => outcome[key]).length} of ${moving.length}`,
    ),
    `false alarms in ${CLEAN} clean runs: ${alarms.length}`,
    ...moving
      .filter(({ detected, placed, named }) => !(detected && placed && named))
      .map(({ what, said }) => `  ${what}: ${said}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
});
