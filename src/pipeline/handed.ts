import { rebuild, type DiffGraph } from '../attention/rebuild.js';
import { encodeModel } from '../onnx/read.js';
import { keepOutputs } from '../onnx/rewrite.js';
import type { Batch, Stream, TensorData, Tensors } from '../types.js';
import { diffFeeds } from './feeds.js';
import { batchForm, runGraph } from './runGraph.js';
import { runnerOf, type SecondPass } from './secondPass.js';

/** What the reference's stream hands to others, of one batch: tensors by their keys (see SharedOutput). */
export interface Handed {
  diff: DiffGraph;
  outputs: Tensors;
}

/**
 * Runs the reference alone for what it hands to others.
 *
 * @param other the stream that takes it
 * @throws AttnDiffError execution-failed, runner-crashed, timed-out
 */
export async function handOut(context: SecondPass, reference: Stream, other: Stream, batch: Batch): Promise<Handed> {
  const { loaded, sites, config, plant } = context;
  const diff = rebuild({
    graph: runGraph(loaded, config),
    sites,
    sizes: loaded.sizes,
    ...batchForm([batch]),
    streams: [reference],
    reference: reference.label,
    precision: config.precision,
    share: { siteInputs: other.name === 'original' },
    ...(plant && { plant }),
  });
  keepOutputs(diff.model, [...new Set(diff.shared.map(({ output }) => output))]);
  return { diff, outputs: await runDiffGraph(context, reference, diff, batch, {}) };
}

/** @param key as `layer3/query` */
export function handed({ diff, outputs }: Handed, key: string): TensorData {
  return outputs[diff.shared.find((shared) => shared.key === key)!.output]!;
}

/**
 * ‖x − ref‖ / ‖ref‖ over valid tokens; both tensors are [B,H,S,D]. 0/0 is 0; a NaN leaves NaN.
 */
export function validRelL2(x: TensorData, ref: TensorData, { kinds, length }: Batch): number {
  const [, heads, , headDim] = x.dims as [number, number, number, number];
  let [delta, norm] = [0, 0];
  for (let i = 0; i < x.data.length; i++) {
    const row = Math.floor(i / headDim);
    if (kinds[Math.floor(row / (length * heads)) * length + (row % length)] !== 'valid') continue;
    const reference = Number(ref.data[i]);
    delta += (Number(x.data[i]) - reference) ** 2;
    norm += reference ** 2;
  }
  return delta === 0 ? 0 : Math.sqrt(delta / norm);
}

/**
 * Runs a rebuilt graph in the process of one of its streams.
 *
 * @param given what it takes from another graph
 */
export async function runDiffGraph(context: SecondPass, stream: Stream, diff: DiffGraph, batch: Batch, given: Tensors): Promise<Tensors> {
  const { loaded } = context;
  const read = new Set(diff.model.graph!.input.map(({ name }) => name));
  const feeds = Object.entries({ ...diffFeeds(loaded.inputs, loaded.sizes, diff, batch), ...given }).filter(([name]) => read.has(name));
  const session = await runnerOf(context, stream).open({ model: { bytes: encodeModel(diff.model), folder: loaded.folder } }, 'looking into a divergence');
  try {
    return await session.run(Object.fromEntries(feeds));
  } finally {
    await session.close();
  }
}
