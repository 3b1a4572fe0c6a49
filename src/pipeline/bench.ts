import type { ResolvedSite } from '../attention/evaluate.js';
import { inputText } from '../attention/inputRoles.js';
import { BENCH_SCHEMA, type BenchReport, type BenchRow } from '../bench.js';
import { beyondPositions, fullBatch, mulberry32 } from '../batch/index.js';
import type { BenchConfig } from '../config/index.js';
import { AttnDiffError } from '../errors.js';
import { spread } from '../metrics/index.js';
import type { HubOptions } from '../model/index.js';
import type { Runners } from '../runners/types.js';
import type { Batch, Stream } from '../types.js';
import { checkWindows, obstacle } from './buildable.js';
import { describeModel } from './describe.js';
import { Entrant, type Entry } from './entrant.js';
import { laneFor, placeOf } from './lanes.js';
import { loadModel, type LoadedModel } from './load.js';
import { describeEnvironment } from './machine.js';
import { resolveSites } from './resolve.js';
import type { Progress } from './run.js';

const MIB = 2 ** 20;

/** A bench with everything checked that can be checked without executing the model. */
export interface PreparedBench {
  config: BenchConfig;
  loaded: LoadedModel;
  /** One for each length, without padding. */
  batches: Batch[];
}

/**
 * Reads the model and checks that every implementation and length is one for it.
 *
 * @throws AttnDiffError codes of exit 2 and 3
 */
export async function prepareBench(
  config: BenchConfig,
  hub: HubOptions = {},
): Promise<PreparedBench> {
  const loaded = await loadModel(config.model, { dtype: config.dtype, hub });
  const { maxPositions, vocabSize } = loaded.source.config;
  const beyond = config.lengths.find((length) => length > maxPositions);
  if (beyond !== undefined) throw beyondPositions('--lengths', `${beyond}`, maxPositions);
  checkFixed(config, loaded);
  for (const { label, name, settings } of config.implementations) {
    // What keeps the file's own nodes from a run is padding, and here there is none.
    const problem = name === 'original' ? null : obstacle(loaded, name, settings);
    if (problem !== null)
      throw new AttnDiffError('not-buildable', { implementation: label, problem });
  }
  return {
    config,
    loaded,
    batches: config.lengths.map((length) => fullBatch({ size: config.batch, length, vocabSize })),
  };
}

/** @throws AttnDiffError bad-option for sizes that the file's inputs do not have */
function checkFixed({ lengths, batch }: BenchConfig, { fixed }: LoadedModel): void {
  const bad = (option: string, value: string, what: string, size: number): AttnDiffError =>
    new AttnDiffError('bad-option', {
      option,
      value,
      problem: `${inputText(fixed.input!)} fixes the ${what} to ${size}`,
      remedy: `${option} ${size}`,
    });
  if (fixed.length !== null && lengths.some((length) => length !== fixed.length))
    throw bad('--lengths', lengths.join(','), 'length', fixed.length);
  if (fixed.batch !== null && batch !== fixed.batch)
    throw bad('--batch', `${batch}`, 'batch', fixed.batch);
}

/**
 * Times forward passes of the whole model, each implementation alone in it and in a process of its own, at one length
 * after the other. The passes of a length are taken in turns, in an order that changes, so that what else the machine does hits all alike.
 *
 * @throws AttnDiffError not-buildable, site-not-recognised (exit 3); what ended the first, where none could be measured (exit 4)
 */
export async function runBench(
  { config, loaded, batches }: PreparedBench,
  runners: Runners,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<BenchReport> {
  const {
    implementations: streams,
    baseline,
    lengths,
    batch: size,
    repeat,
    warmup,
    timeout,
  } = config;
  const rounds = warmup + repeat;
  const total = 1 + batches.length * (rounds + 2);
  let done = 0;
  const step = (stage: string): void => onProgress({ stage, done: done++, total });
  step('evaluating masks and scales');
  const sites = await resolveSites(loaded, runners.at({ timeout }));
  checkWindows(streams, sites);
  const measured: { batch: Batch; entries: Entry[] }[] = [];
  for (const batch of batches)
    measured.push({
      batch,
      entries: await measure(batch, {
        loaded,
        sites,
        streams,
        runners,
        timeout,
        warmup,
        rounds,
        step,
      }),
    });
  onProgress({ stage: 'done', done: total, total });
  const entries = measured.flatMap((each) => each.entries);
  if (entries.every(({ error }) => error !== null)) throw entries[0]!.error;
  return {
    schema: BENCH_SCHEMA,
    model: describeModel(loaded),
    environment: await describeEnvironment(streams.map(({ settings }) => settings.provider)),
    settings: { lengths, batch: size, repeat, warmup, timeout },
    baseline,
    rows: measured.flatMap(({ batch, entries: own }) => benchRows(batch, own, baseline)),
  };
}

interface Round extends Pick<BenchConfig, 'timeout' | 'warmup'> {
  loaded: LoadedModel;
  streams: readonly Stream[];
  sites: readonly ResolvedSite[];
  runners: Runners;
  /** Passes of each implementation, those that warm up included. */
  rounds: number;
  step: (stage: string) => void;
}

async function measure(
  batch: Batch,
  { loaded, sites, streams, runners, timeout, warmup, rounds, step }: Round,
): Promise<Entry[]> {
  const random = mulberry32(batch.length);
  const entrants = streams.map(
    (stream) =>
      new Entrant(loaded, sites, stream, batch, runners.fresh(placeOf(laneFor(stream), timeout))),
  );
  try {
    step(`length ${batch.length}: loading`);
    for (const entrant of entrants) await entrant.open();
    for (let round = 0; round < rounds; round++) {
      step(
        `length ${batch.length}: ${round < warmup ? 'warming up' : `pass ${round - warmup + 1} of ${rounds - warmup}`}`,
      );
      for (const entrant of shuffled(entrants, random)) await entrant.pass(round >= warmup);
    }
    step(`length ${batch.length}: seeing which kernels run`);
    const entries: Entry[] = [];
    for (const entrant of entrants) entries.push(await entrant.finish());
    return entries;
  } finally {
    for (const entrant of entrants) entrant.stop();
  }
}

/** In another order each time, so that none always has the same one before it, whose threads may not have come to rest. */
function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const placed = items.map((item) => ({ item, at: random() }));
  return placed.toSorted((a, b) => a.at - b.at).map(({ item }) => item);
}

/** The rows of one length, their ratios taken against the baseline's. */
function benchRows(batch: Batch, entries: readonly Entry[], baseline: string): BenchRow[] {
  const numbers = entries.map(({ info, seconds, peakBytes }) => ({
    name: info.name,
    seconds: info.failure ? null : spread(seconds),
    peakMiB: info.failure ? null : peakBytes / MIB,
  }));
  const base = numbers.find(({ name }) => name === baseline);
  return entries.map(({ info: { name, failure, ...info } }, i) => {
    const { seconds, peakMiB } = numbers[i]!;
    return {
      implementation: name,
      ...info,
      length: batch.length,
      batch: batch.size,
      seconds,
      tokensPerSecond: seconds && (batch.size * batch.length) / seconds.median,
      ratio: over(seconds?.median, base?.seconds?.median),
      peakMiB,
      memoryRatio: over(peakMiB, base?.peakMiB),
      failure,
    };
  });
}

function over(value: number | null | undefined, base: number | null | undefined): number | null {
  return value == null || base == null ? null : value / base;
}
