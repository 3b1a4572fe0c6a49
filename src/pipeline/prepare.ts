import type { RebuildOptions } from '../attention/rebuild.js';
import { assembleBatches } from '../batch/index.js';
import type { RunConfig } from '../config/index.js';
import { AttnDiffError } from '../errors.js';
import { loadTokenizer, type HubOptions } from '../model/index.js';
import type { Batch, ShardOf, Stream } from '../types.js';
import { computesInHalf } from '../onnx/roundActivations.js';
import { checkBudgetEntries } from './budgetEntries.js';
import { obstacle } from './buildable.js';
import { loadModel, type LoadedModel } from './load.js';
import { batchesOf, shardOf } from './shard.js';

/** A run with everything checked that can be checked without executing the model. */
export interface PreparedRun {
  config: RunConfig;
  loaded: LoadedModel;
  /** Those that are to be run. */
  batches: Batch[];
  /** What they are a part of; null where they are all. */
  shard: ShardOf | null;
  /** A fault in one layer of one implementation, put there to see what is said of it. */
  plant?: RebuildOptions['plant'];
}

/**
 * Reads the model and the prompts and checks them.
 *
 * @throws AttnDiffError codes of exit 2 and 3
 */
export async function prepareRun(config: RunConfig, hub: HubOptions = {}): Promise<PreparedRun> {
  const loaded = await loadModel(config.model, { dtype: config.dtype, hub });
  for (const { name, settings } of config.implementations) {
    const problem = obstacle(loaded, name, settings);
    if (problem !== null) throw new AttnDiffError('not-buildable', { implementation: name, problem });
  }
  if (config.activations !== null && computesInHalf(loaded.graph)) {
    throw new AttnDiffError('bad-option', { option: '--activations', value: config.activations, problem: 'the file computes in half precision already, so that nothing would be rounded', remedy: 'it with a float32 export, or leave it out' });
  }
  const tokenizer = config.prompts.kind === 'random' ? null : await loadTokenizer(loaded.source);
  const batches = await assembleBatches(config, tokenizer, { ...loaded.source.config, heads: loaded.sizes.heads });
  for (const stream of config.implementations) {
    const problem = batches.map((batch) => batchObstacle(stream, batch)).find((each) => each !== null);
    if (problem != null) throw new AttnDiffError('not-buildable', { implementation: stream.label, problem });
  }
  checkBudgetEntries(config.gate.budgets, { batches, layers: loaded.sites.map(({ layer }) => layer), implementations: config.implementations, reference: config.reference });
  return { config, loaded, ...(config.shard ? { batches: batchesOf(batches, config.shard), shard: shardOf(batches, config.shard) } : { batches, shard: null }) };
}

/** Why an implementation takes no such batch; null where it does. */
function batchObstacle({ name, settings }: Stream, { mask, documents, past, kinds }: Batch): string | null {
  if (name === 'original' && (mask !== null || documents !== null || past > 0)) {
    return `the file's own nodes make their mask from attention_mask alone, and know nothing of ${mask ? '--mask' : documents ? '--pack' : '--past'}`;
  }
  if (name === 'flash' && mask !== null) return 'its kernel takes no 4D mask';
  if (settings.kernel === 'varlen' && past > 0) return 'with --past its kernel needs a cache of pages, which attn-diff does not keep';
  if (settings.maskForm === 'causal' && (mask !== null || documents !== null || kinds.some((kind) => kind !== 'valid'))) {
    return "without a mask (mask=causal) it knows nothing of padding, documents or --mask: give rows of one length, such as --prompt once, or --length";
  }
  return null;
}
