import type { RebuildOptions } from '../attention/rebuild.js';
import { inputText } from '../attention/inputRoles.js';
import { assembleBatches, type FileRows } from '../batch/index.js';
import type { RunConfig } from '../config/index.js';
import { AttnDiffError } from '../errors.js';
import {
  isolatedTokenizer,
  loadTokenizer,
  type HubOptions,
  type ModelSource,
  type TextTokenizer,
} from '../model/index.js';
import type { Batch, ImplementationName, LeftOut, ShardOf, Stream } from '../types.js';
import { HALF_TYPES } from '../onnx/half.js';
import { halfTypeOf } from '../onnx/roundActivations.js';
import { checkBudgetEntries } from './budgetEntries.js';
import { obstacle } from './buildable.js';
import { loadModel, type LoadedModel } from './load.js';
import { batchesOf, shardOf } from './shard.js';

/** A run with everything checked that can be checked without executing the model. */
export interface PreparedRun {
  config: RunConfig;
  /** Implementations of the usual ones that cannot be built for this model, and why. */
  leftOut: readonly LeftOut[];
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
 * @param isolatesText whether prompts become tokens in a process of their own
 * @throws AttnDiffError codes of exit 2 and 3
 */
export async function prepareRun(
  asked: RunConfig,
  hub: HubOptions = {},
  isolatesText = false,
): Promise<PreparedRun> {
  const loaded = await loadModel(asked.model, { dtype: asked.dtype, hub });
  const { config, leftOut } = possible(asked, loaded);
  const own = halfTypeOf(loaded.graph);
  if (config.activations !== null && own !== null && own !== HALF_TYPES[config.activations]) {
    const name = own === HALF_TYPES.fp16 ? 'fp16' : 'bf16';
    throw new AttnDiffError('bad-option', {
      option: '--activations',
      value: config.activations,
      problem: `the file computes in ${name}, and its rounding is that`,
      remedy: `${name}, or an export in float32`,
    });
  }
  const rows = fileRows(loaded);
  const limits = { ...loaded.source.config, heads: loaded.sizes.heads };
  const batches =
    config.prompts.kind === 'random'
      ? await assembleBatches(config, null, limits, rows)
      : await withTokenizer(loaded.source, isolatesText, (tokenizer) =>
          assembleBatches(config, tokenizer, limits, rows),
        );
  for (const stream of config.implementations) {
    const problem = batches
      .map((batch) => batchObstacle(stream, batch))
      .find((each) => each !== null);
    if (problem != null)
      throw new AttnDiffError('not-buildable', { implementation: stream.label, problem });
  }
  checkBudgetEntries(config.gate.budgets, {
    batches,
    layers: loaded.sites.map(({ layer }) => layer),
    implementations: config.implementations,
    reference: config.reference,
  });
  return {
    config,
    leftOut,
    loaded,
    ...(config.shard
      ? { batches: batchesOf(batches, config.shard), shard: shardOf(batches, config.shard) }
      : { batches, shard: null }),
  };
}

/**
 * The configuration with the implementations that can be built for a model. One that was asked for and cannot be is an
 * error; of the usual ones it is left out, unless it is the reference or nothing would be left to compare.
 *
 * @throws AttnDiffError not-buildable
 */
function possible(
  config: RunConfig,
  loaded: LoadedModel,
): { config: RunConfig; leftOut: LeftOut[] } {
  const leftOut = config.implementations.flatMap(
    ({ label, name, settings }): (LeftOut & { name: ImplementationName })[] => {
      const problem = obstacle(loaded, name, settings);
      return problem === null ? [] : [{ implementation: label, name, problem }];
    },
  );
  const implementations = config.implementations.filter(({ label }) =>
    leftOut.every(({ implementation }) => implementation !== label),
  );
  const [first] = leftOut;
  if (
    first &&
    (config.isImplGiven ||
      implementations.length < 2 ||
      implementations.every(({ label }) => label !== config.reference))
  )
    throw new AttnDiffError('not-buildable', {
      implementation: first.name,
      problem: first.problem,
    });
  return {
    config: { ...config, implementations },
    leftOut: leftOut.map(({ implementation, problem }) => ({ implementation, problem })),
  };
}

/** The rows that a file's inputs allow. */
function fileRows({ fixed: { length, input }, takesMask }: LoadedModel): FileRows {
  return { length, input: input ? inputText(input) : '', padded: takesMask };
}

/** Tokenizer and template are a stranger's: where models run in processes of their own, so do these. */
async function withTokenizer<T>(
  source: ModelSource,
  isIsolated: boolean,
  work: (tokenizer: TextTokenizer) => Promise<T>,
): Promise<T> {
  if (!isIsolated) return work(await loadTokenizer(source));
  const tokenizer = await isolatedTokenizer(source);
  try {
    return await work(tokenizer);
  } finally {
    tokenizer.close();
  }
}

/** Why an implementation takes no such batch; null where it does. */
function batchObstacle(
  { name, settings }: Stream,
  { mask, documents, past, kinds }: Batch,
): string | null {
  if (name === 'original' && (mask !== null || documents !== null || past > 0)) {
    return `the file's own nodes make their mask from attention_mask alone, and know nothing of ${mask ? '--mask' : documents ? '--pack' : '--past'}`;
  }
  if (name === 'flash' && mask !== null) return 'its kernel takes no 4D mask';
  if (settings.kernel === 'varlen' && past > 0)
    return 'with --past its kernel needs a cache of pages, which attn-diff does not keep';
  if (
    settings.maskForm === 'causal' &&
    (mask !== null || documents !== null || kinds.some((kind) => kind !== 'valid'))
  ) {
    return 'without a mask (mask=causal) it knows nothing of padding, documents or --mask: give rows of one length, such as --prompt once, or --length';
  }
  return null;
}
