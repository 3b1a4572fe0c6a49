import { attend } from '../attention/implementations/attend.js';
import { implementationOf } from '../attention/implementations/index.js';
import { maskInputs, type AddedInput } from '../attention/maskInputs.js';
import type { MaskRule } from '../attention/mask.js';
import { maskSpecOf } from '../attention/settings.js';
import { newModel } from '../onnx/newModel.js';
import { DataType, type ModelProto } from '../onnx/types.js';
import type { Batch, Stream, TensorData, Tensors } from '../types.js';
import { addedFeeds } from './feeds.js';
import { batchForm } from './runGraph.js';

/** A batch with the Q, K and V of one layer, float32 [B,heads,S,D]. */
export interface Case {
  batch: Batch;
  inputs: { query: TensorData; key: TensorData; value: TensorData };
}

/** What a layer does besides. */
export interface AlonePlace {
  scale: number;
  softcap: number | null;
  sinks: readonly number[] | null;
  mask: MaskRule;
}

/** An implementation alone, as a model with its feeds. */
export interface Alone {
  model: ModelProto;
  feeds: Tensors;
  output: string;
  /** Operators by which its kernel is known. */
  computeOps: readonly string[];
}

/** A model of one layer's attention under one stream's settings, from Q, K and V; its output is [B,H,S,D]. */
export function alone(
  { name, settings }: Pick<Stream, 'name' | 'settings'>,
  { scale, softcap, sinks, mask: rule }: AlonePlace,
  { batch, inputs }: Case,
): Alone {
  if (name === 'original') throw new Error('the nodes of the file are not built');
  const { decoding = null, ownMask = null } = batchForm([batch]);
  const { computeOps, opsets } = implementationOf(name, settings);
  let added: AddedInput[] = [];
  const { model, output } = newModel(
    'attention of one layer',
    (builder) => {
      for (const [role, { dims }] of Object.entries(inputs))
        builder.input(role, DataType.FLOAT, dims);
      const mask = maskInputs(builder, ownMask);
      added = mask.added;
      const [heads, kvHeads, headDim] = [
        inputs.query.dims[1]!,
        inputs.key.dims[1]!,
        inputs.query.dims[3]!,
      ];
      return attend(builder, name, {
        query: 'query',
        key: 'key',
        value: 'value',
        heads,
        kvHeads,
        headDim,
        scale,
        softcap,
        sinks,
        mask: maskSpecOf(rule, settings),
        masks: mask.masks,
        settings,
        decoding,
      });
    },
    Object.fromEntries(
      opsets.map(({ domain, version }) => [domain, Math.max(version, domain === '' ? 18 : 1)]),
    ),
  );
  return { model, feeds: { ...inputs, ...addedFeeds(added, batch, 1) }, output, computeOps };
}
