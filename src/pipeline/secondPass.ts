import type { ResolvedSite } from '../attention/evaluate.js';
import { rebuild, type DiffGraph, type RebuildOptions } from '../attention/rebuild.js';
import type { RunConfig } from '../config/index.js';
import type { Runner, Runners } from '../runners/types.js';
import type { Batch, Stream } from '../types.js';
import { laneFor, placeOf } from './lanes.js';
import type { LoadedModel } from './load.js';
import { batchForm, ownHalfGraph, runGraph } from './runGraph.js';

/** The run that a second pass looks into, and what it needs to run parts of it again. */
export interface SecondPass {
  config: Pick<
    RunConfig,
    'implementations' | 'reference' | 'precision' | 'activations' | 'timeout'
  >;
  loaded: LoadedModel;
  sites: readonly ResolvedSite[];
  batches: readonly Batch[];
  runners: Runners;
  /** The fault that the run was planted with. */
  plant?: RebuildOptions['plant'];
}

/** Rebuilds the run's graph for other streams, or with other outputs. */
export function rebuildAgain(
  { loaded, sites, config, plant }: SecondPass,
  batches: readonly Batch[],
  options: Pick<RebuildOptions, 'streams' | 'reference'> & Partial<RebuildOptions>,
): DiffGraph {
  return rebuild({
    graph: runGraph(loaded, config),
    sites,
    sizes: loaded.sizes,
    ...batchForm(batches),
    precision: config.precision,
    emulatesHalf: ownHalfGraph(loaded, config) !== null,
    ...options,
    ...(plant && { plant }),
  });
}

/** Where a stream is run again. */
export function runnerOf(
  { runners, config }: Pick<SecondPass, 'runners' | 'config'>,
  stream: Stream,
): Runner {
  return runners.at(placeOf(laneFor(stream), config.timeout));
}

/** The same implementation with the same settings, on the CPU's usual kernel. */
export function twinOf(stream: Stream): Stream {
  return { ...stream, settings: { ...stream.settings, provider: 'cpu', kernel: null } };
}

/** Whether a stream runs on the CPU's usual kernel. */
export function isTwin({ settings: { provider, kernel } }: Stream): boolean {
  return provider === 'cpu' && kernel === null;
}
