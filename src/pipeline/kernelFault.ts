import { rebuild } from '../attention/rebuild.js';
import { divergingLayers, localRows, type LocalDivergence } from '../metrics/index.js';
import { keepOutputs } from '../onnx/rewrite.js';
import { AttnDiffError } from '../errors.js';
import type { Batch, Finding, Row, Stream, TensorData } from '../types.js';
import { givenFeeds } from './feeds.js';
import { handed, handOut, runDiffGraph, validRelL2, type Handed } from './handed.js';
import { batchForm, runGraph } from './runGraph.js';
import { isTwin, twinOf, type SecondPass } from './secondPass.js';
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
    const home = await handOut(context, reference, stream, batch);
    const local = async (of: Stream): Promise<Map<number, Distances>> => distances(await locals(context, of, home, batch, layers), home, batch, layers);
    const [own, twin] = [await local(stream), await local(twinOf(stream))];
    const worstOfTwin = Math.max(...layers.map((layer) => twin.get(layer)!.relL2));
    if (!(worstOfTwin <= finding.limit)) return null;
    const heads = own.get(finding.layer)!.heads.flatMap((distance, head) => (distance <= finding.limit ? [] : [head]));
    const { implementation, batch: name, relL2, limit } = finding;
    const positions = localRows(rows, implementation, name).flatMap(({ layer, firstToken }) => (layers.includes(layer!) && firstToken !== null ? [firstToken] : []));
    const firstToken = positions.length === 0 ? null : Math.min(...positions);
    const kernel = stream.settings.kernel === null ? stream.name : `${stream.name} (${stream.settings.kernel})`;
    return { code: 'kernel-fault', implementation, provider: stream.settings.provider, kernel, twin: `${stream.name}@cpu`, layers, batch: name, relL2, limit, twinRelL2: worstOfTwin, heads, allHeads: heads.length === context.loaded.sizes.heads, firstToken };
  } catch (error) {
    if (error instanceof AttnDiffError && error.code !== 'interrupted') return null;
    throw error;
  }
}

/** What a stream makes of the reference's Q, K, V: by layer, [B,H,S,D]. */
async function locals(context: SecondPass, stream: Stream, home: Handed, batch: Batch, layers: readonly number[]): Promise<Map<number, TensorData>> {
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
  const outputs = await runDiffGraph(context, stream, diff, batch, givenFeeds(home.diff.shared, home.outputs));
  return new Map(captures.map(({ layer, output }) => [layer!, outputs[output]!]));
}

interface Distances {
  relL2: number;
  heads: number[];
}

function distances(tensors: ReadonlyMap<number, TensorData>, home: Handed, batch: Batch, layers: readonly number[]): Map<number, Distances> {
  return new Map(
    layers.map((layer) => {
      const reference = handed(home, `layer${layer}/localReference`);
      return [layer, { relL2: validRelL2(tensors.get(layer)!, reference, batch), heads: headDistances(tensors.get(layer)!, reference, batch) }];
    }),
  );
}
