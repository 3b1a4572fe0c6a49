import { rebuild, type DiffGraph } from '../attention/rebuild.js';
import { divergingLayers, type LocalDivergence } from '../metrics/index.js';
import { encodeModel } from '../onnx/read.js';
import { keepOutputs } from '../onnx/rewrite.js';
import { AttnDiffError } from '../errors.js';
import type { Batch, Finding, Row, Stream, TensorData, Tensors } from '../types.js';
import { diffFeeds, givenFeeds } from './feeds.js';
import { batchForm, runGraph } from './runGraph.js';
import { isTwin, runnerOf, twinOf, type SecondPass } from './secondPass.js';
import { headDistances } from './trials.js';

type KernelFault = Extract<Finding, { code: 'kernel-fault' }>;

/**
 * Whether a local divergence is the doing of a kernel: the same implementation with the same settings is run on the
 * CPU's usual kernel on the same Q, K, V, and agrees with the reference there to within rounding.
 *
 * @returns null where the implementation has no other kernel than the CPU's, where its twin parts too (then a setting
 *   or rounding does it), or where one of the two does not run alone
 */
export async function kernelFault(finding: LocalDivergence, rows: readonly Row[], context: SecondPass): Promise<KernelFault | null> {
  const { implementations, reference: label } = context.config;
  const labelled = (wanted: string): Stream => implementations.find((stream) => stream.label === wanted)!;
  const [stream, reference] = [labelled(finding.implementation), labelled(label)];
  if (isTwin(stream)) return null;
  const batch = context.batches.find(({ name }) => name === finding.batch)!;
  const layers = divergingLayers(rows, finding);
  try {
    const home = await shared(context, reference, stream, batch);
    const local = async (of: Stream): Promise<Map<number, Distances>> => distances(await locals(context, of, home, batch, layers), home, batch, layers);
    const [own, twin] = [await local(stream), await local(twinOf(stream))];
    const worstOfTwin = Math.max(...layers.map((layer) => twin.get(layer)!.relL2));
    if (!(worstOfTwin <= finding.limit)) return null;
    const heads = own.get(finding.layer)!.heads.flatMap((distance, head) => (distance <= finding.limit ? [] : [head]));
    const { implementation, batch: name, relL2, limit, firstToken } = finding;
    const kernel = stream.settings.kernel === null ? stream.name : `${stream.name} (${stream.settings.kernel})`;
    return { code: 'kernel-fault', implementation, provider: stream.settings.provider, kernel, twin: `${stream.name}@cpu`, layers, batch: name, relL2, limit, twinRelL2: worstOfTwin, heads, allHeads: heads.length === context.loaded.sizes.heads, firstToken };
  } catch (error) {
    if (error instanceof AttnDiffError && error.code !== 'interrupted') return null;
    throw error;
  }
}

interface Home {
  diff: DiffGraph;
  outputs: Tensors;
}

/** What the reference's stream hands to others, of one batch. */
async function shared(context: SecondPass, reference: Stream, other: Stream, batch: Batch): Promise<Home> {
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
  return { diff, outputs: await run(context, reference, diff, batch, {}) };
}

/** What a stream makes of the reference's Q, K, V: by layer, [B,H,S,D]. */
async function locals(context: SecondPass, stream: Stream, home: Home, batch: Batch, layers: readonly number[]): Promise<Map<number, TensorData>> {
  const { loaded, sites, config, plant } = context;
  const diff = rebuild({
    graph: runGraph(loaded, config),
    sites,
    sizes: loaded.sizes,
    ...batchForm([batch]),
    streams: [stream],
    reference: config.reference,
    precision: config.precision,
    given: home.diff.shared,
    capture: true,
    ...(plant?.stream === stream.label && { plant }),
  });
  const captures = diff.captures.filter(({ tap, scope, layer }) => tap === 'attention' && scope === 'local' && layers.includes(layer!));
  keepOutputs(diff.model, captures.map(({ output }) => output));
  const outputs = await run(context, stream, diff, batch, givenFeeds(home.diff.shared, home.outputs));
  return new Map(captures.map(({ layer, output }) => [layer!, outputs[output]!]));
}

interface Distances {
  relL2: number;
  heads: number[];
}

function distances(tensors: ReadonlyMap<number, TensorData>, home: Home, batch: Batch, layers: readonly number[]): Map<number, Distances> {
  return new Map(
    layers.map((layer) => {
      const reference = home.outputs[home.diff.shared.find(({ key }) => key === `layer${layer}/localReference`)!.output]!;
      return [layer, { relL2: validRelL2(tensors.get(layer)!, reference, batch), heads: headDistances(tensors.get(layer)!, reference, batch) }];
    }),
  );
}

/** ‖x − ref‖ / ‖ref‖ over valid tokens; both tensors are [B,H,S,D]. 0/0 is 0; a NaN leaves NaN. */
function validRelL2(x: TensorData, ref: TensorData, { kinds, length }: Batch): number {
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

async function run(context: SecondPass, stream: Stream, diff: DiffGraph, batch: Batch, given: Tensors): Promise<Tensors> {
  const { loaded } = context;
  const read = new Set(diff.model.graph!.input.map(({ name }) => name));
  const feeds = Object.entries({ ...diffFeeds(loaded.inputs, loaded.sizes, diff, batch), ...given }).filter(([name]) => read.has(name));
  const session = await runnerOf(context, stream).open({ model: { bytes: encodeModel(diff.model), folder: loaded.folder } }, 'telling a kernel from its twin on the CPU');
  try {
    return await session.run(Object.fromEntries(feeds));
  } finally {
    await session.close();
  }
}
