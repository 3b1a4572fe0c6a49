import type { ResolvedSite } from '../../src/attention/evaluate.js';
import { rebuild, type DiffGraph, type RebuildOptions } from '../../src/attention/rebuild.js';
import { streamOf } from '../../src/attention/settings.js';
import { diffFeeds } from '../../src/pipeline/feeds.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { modelRequest } from '../../src/runners/modelRequest.js';
import type { Runner } from '../../src/runners/types.js';
import type {
  Batch,
  ImplementationName,
  Scope,
  Stream,
  Tap,
  TensorData,
  Tensors,
} from '../../src/types.js';

export interface Captured {
  loaded: LoadedModel;
  diff: DiffGraph;
  outputs: Tensors;
  tensor(tap: Tap, layer: number | null, stream: string, scope?: Scope): TensorData;
}

/** Runs one batch through a rebuilt fixture, keeping every tap's tensors. The first stream is the reference. */
export async function capture(
  path: string,
  batch: Batch,
  names: readonly (ImplementationName | Stream)[],
  options: Partial<RebuildOptions> & {
    change?: (loaded: LoadedModel) => LoadedModel;
    runner?: Runner;
  } = {},
): Promise<Captured> {
  const { change = (loaded) => loaded, ...rest } = options;
  const loaded = change(await loadModel(path));
  return captureOf(loaded, await resolveSites(loaded, inProcessRunner()), batch, names, rest);
}

/** As {@link capture}, of a model that is loaded and resolved. */
export async function captureOf(
  loaded: LoadedModel,
  sites: readonly ResolvedSite[],
  batch: Batch,
  names: readonly (ImplementationName | Stream)[],
  { runner = inProcessRunner(), ...rest }: Partial<RebuildOptions> & { runner?: Runner } = {},
): Promise<Captured> {
  const streams = names.map((name) => (typeof name === 'string' ? streamOf(name) : name));
  const logits = loaded.logits!.name;
  const diff = rebuild({
    graph: loaded.graph,
    sites,
    sizes: loaded.sizes,
    streams,
    reference: streams[0]!.label,
    keep: [logits],
    capture: true,
    ...rest,
  });
  const session = await runner.open(modelRequest(diff.model, loaded.folder), 'test');
  const outputs = await session.run(diffFeeds(loaded.inputs, loaded.sizes, diff, batch));
  await session.close();
  return {
    loaded,
    diff,
    outputs,
    tensor: (tap, layer, stream, scope = 'accumulated') => {
      if (tap === 'logits')
        return slice(
          outputs[logits]!,
          streams.findIndex(({ label }) => label === stream),
          streams.length,
        );
      const found = diff.captures.find(
        (item) =>
          item.tap === tap &&
          item.layer === layer &&
          item.stream === stream &&
          item.scope === scope,
      );
      if (!found) throw new Error(`no ${tap} of layer ${layer} for ${stream}`);
      return outputs[found.output]!;
    },
  };
}

/** One stream's part of a stacked tensor. */
function slice({ type, dims, data }: TensorData, index: number, count: number): TensorData {
  const size = data.length / count;
  return {
    type,
    dims: [dims[0]! / count, ...dims.slice(1)],
    data: data.slice(index * size, (index + 1) * size),
  };
}

/**
 * ‖x − ref‖₂/‖ref‖₂ over the tokens that `keep` selects. `x` is [B,H,S,D] (an attention tap) or [B,S,W]; `ref` is
 * [B,S,W], as Hugging Face has it. NaN anywhere among them makes the result NaN.
 */
export function relativeL2(
  x: TensorData,
  ref: { shape: readonly number[]; data: ArrayLike<number | bigint> },
  keep: (token: number) => boolean,
): number {
  const [batch, length, width] = ref.shape as [number, number, number];
  let delta = 0;
  let norm = 0;
  for (let token = 0; token < batch * length; token++) {
    if (!keep(token)) continue;
    for (let w = 0; w < width; w++) {
      const b = Number(ref.data[token * width + w]);
      const a = Number(x.data[indexOf(x.dims, token, w, length)]);
      delta += (a - b) ** 2;
      norm += b * b;
    }
  }
  return Math.sqrt(delta / norm);
}

function indexOf(dims: readonly number[], token: number, w: number, length: number): number {
  if (dims.length === 3) return token * dims[2]! + w;
  const [, heads, , headDim] = dims as [number, number, number, number];
  const b = Math.floor(token / length);
  return (
    ((b * heads + Math.floor(w / headDim)) * length + (token % length)) * headDim + (w % headDim)
  );
}
