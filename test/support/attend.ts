import { attend as build } from '../../src/attention/implementations/attend.js';
import type { Decoding } from '../../src/attention/implementations/types.js';
import { maskInputs, type AddedInput } from '../../src/attention/maskInputs.js';
import { DEFAULT_SETTINGS, maskSpecOf } from '../../src/attention/settings.js';
import { addedFeeds } from '../../src/pipeline/feeds.js';
import type { AttentionSettings, Batch, ImplementationName, TensorData } from '../../src/types.js';
import { compute } from './tinyGraph.js';

export interface Case {
  query: TensorData;
  key: TensorData;
  value: TensorData;
  batch: Batch;
  scale: number;
  window?: number;
  /** Whether queries attend to no later token, as by default. */
  causal?: boolean;
  softcap?: number;
  sinks?: number[];
  settings?: Partial<AttentionSettings>;
  decoding?: Decoding;
}

/** Runs one implementation alone on the given Q, K, V. */
export async function attend(
  name: Exclude<ImplementationName, 'original'>,
  {
    query,
    key,
    value,
    batch,
    scale,
    window,
    causal = true,
    softcap,
    sinks,
    settings: given,
    decoding,
  }: Case,
): Promise<TensorData> {
  let added: AddedInput[] = [];
  const settings = { ...DEFAULT_SETTINGS, ...given };
  const [output] = await compute(
    { query, key, value },
    (builder) => {
      const made = maskInputs(
        builder,
        batch.mask === null ? null : batch.mask.additive === null ? 'boolean' : 'additive',
      );
      added = made.added;
      const [heads, kvHeads, headDim] = [query.dims[1]!, key.dims[1]!, query.dims[3]!];
      return [
        build(builder, name, {
          query: 'query',
          key: 'key',
          value: 'value',
          heads,
          kvHeads,
          headDim,
          scale,
          softcap: softcap ?? null,
          sinks: sinks ?? null,
          mask: maskSpecOf({ window: window ?? null, causal, padding: true }, settings),
          masks: made.masks,
          settings,
          decoding: decoding ?? null,
        }),
      ];
    },
    () => addedFeeds(added, batch, 1),
  );
  return output!;
}
