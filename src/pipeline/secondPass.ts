import type { ResolvedSite } from '../attention/evaluate.js';
import type { RebuildOptions } from '../attention/rebuild.js';
import type { RunConfig } from '../config/index.js';
import type { Runner } from '../runners/types.js';
import type { Batch } from '../types.js';
import type { LoadedModel } from './load.js';

/** The run that a second pass looks into, and what it needs to run parts of it again. */
export interface SecondPass {
  config: Pick<RunConfig, 'implementations' | 'reference' | 'precision' | 'activations'>;
  loaded: LoadedModel;
  sites: readonly ResolvedSite[];
  batches: readonly Batch[];
  runner: Runner;
  /** The fault that the run was planted with. */
  plant?: RebuildOptions['plant'];
}
