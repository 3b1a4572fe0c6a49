import { PROBE_ROWS } from '../attention/probes.js';
import { keepOutputs } from '../onnx/rewrite.js';
import type { Batch, Stream, TensorData, Tensors } from '../types.js';
import { headDistances } from './distance.js';
import type { Computation } from './factors.js';
import { addedFeeds, modelFeeds } from './feeds.js';
import { runOnce } from './once.js';
import { rebuildAgain, runnerOf, twinOf, type SecondPass } from './secondPass.js';
import { probeRow } from './stats.js';

/** Two streams that part, in one batch. */
export interface Pair {
  batch: Batch;
  reference: Stream;
  implementation: Stream;
  /** Label of the one that variants are held against. */
  subject: string;
}

/** Over valid tokens. */
export interface Distance {
  /** Σ‖subject − variant‖² */
  squaredDelta: number;
  /** Σ‖variant‖² */
  squaredNorm: number;
}

/** What one layer's variants gave. */
export interface LayerTrials {
  layer: number;
  /** By the variants' labels. */
  distances: Map<string, Distance>;
  /** Σ‖implementation − reference‖² over valid tokens. */
  squaredReference: number;
  /** ‖implementation − reference‖ / ‖reference‖ of each token, [size·length]. */
  relative: Float64Array;
  /** The same of each query head, over valid tokens. */
  heads: number[];
}

/** Elements of attention's output that the variants of one graph may have together: they are held side by side in float64. */
const MOST_ELEMENTS = 2 ** 24;

/**
 * Runs variants of some layers' attention on the reference's Q, K, V and holds each against the subject. The graph
 * ends at the last of these layers; of the two streams' own outputs only the comparison by head leaves it.
 *
 * @throws AttnDiffError execution-failed, runner-crashed
 */
export async function runTrials(
  context: SecondPass,
  pair: Pair,
  layers: readonly number[],
  variants: readonly Computation[],
): Promise<LayerTrials[]> {
  const {
    sizes: { heads, headDim },
  } = context.loaded;
  const { size, length } = pair.batch;
  const atOnce = Math.max(
    1,
    Math.floor(MOST_ELEMENTS / (size * length * heads * headDim * layers.length)),
  );
  const merged = new Map<number, LayerTrials>();
  for (let from = 0; from === 0 || from < variants.length; from += atOnce) {
    for (const trials of await runChunk(
      context,
      pair,
      layers,
      variants.slice(from, from + atOnce),
    )) {
      const known = merged.get(trials.layer);
      if (known)
        for (const [label, distance] of trials.distances) known.distances.set(label, distance);
      else merged.set(trials.layer, trials);
    }
  }
  return [...merged.values()];
}

async function runChunk(
  context: SecondPass,
  { batch, reference, implementation, subject }: Pair,
  layers: readonly number[],
  list: readonly Computation[],
): Promise<LayerTrials[]> {
  const { sizes, inputs, folder } = context.loaded;
  const diff = rebuildAgain(context, [batch], {
    streams: [reference, implementation],
    reference: reference.label,
    capture: true,
    variants: { layers, target: subject, list },
  });
  const probes = diff.probes.filter(
    ({ tap, scope, layer }) => tap === 'attention' && scope === 'local' && layers.includes(layer!),
  );
  const captures = diff.captures.filter(
    ({ tap, scope, layer }) => tap === 'attention' && scope === 'local' && layers.includes(layer!),
  );
  keepOutputs(
    diff.model,
    [...probes, ...captures, ...diff.variants].map(({ output }) => output),
  );
  const feeds = {
    ...modelFeeds(inputs, sizes, batch, diff.streams.length),
    ...addedFeeds(diff.added, rowCounted(batch), diff.streams.length),
  };
  const outputs = await runOnce(
    runnerOf(context, twinOf(reference)),
    diff.model,
    feeds,
    'explaining a divergence',
    folder,
  );
  return layers.map((layer): LayerTrials => {
    const variant = diff.variants.find((each) => each.layer === layer)!;
    const probe = probes.find((each) => each.layer === layer)!;
    const captured = (label: string): TensorData =>
      outputs[captures.find((each) => each.layer === layer && each.stream === label)!.output]!;
    const local = readRow(outputs, probe.output, probe.streams, batch);
    const [delta, norm] = [local('l2Delta', implementation.label), local('l2', reference.label)];
    const read = readRow(outputs, variant.output, variant.variants, batch);
    return {
      layer,
      distances: new Map(
        variant.variants.map((label) => [
          label,
          {
            squaredDelta: sumOfSquares(read('l2Delta', label), batch),
            squaredNorm: sumOfSquares(read('l2', label), batch),
          },
        ]),
      ),
      squaredReference: sumOfSquares(delta, batch),
      relative: delta.map((value, i) => (value === 0 ? 0 : value / norm[i]!)),
      heads: headDistances(captured(implementation.label), captured(reference.label), batch),
    };
  });
}

/**
 * The batch with positions as a node counts them that rotates queries and keys by itself: from the start of the padded
 * row. Between valid tokens only distances matter, so nothing changes; but where a fault lets padding be seen, it is
 * seen at the position that the node gives it.
 */
function rowCounted(batch: Batch): Batch {
  return batch.documents
    ? batch
    : { ...batch, positionIds: batch.positionIds.map((_, i) => BigInt(i % batch.length)) };
}

/** Reads one row of a probe, [PROBE_ROWS, streams, B, S], for one stream: [size·length]. */
function readRow(
  outputs: Tensors,
  output: string,
  streams: readonly string[],
  { size, length }: Batch,
): (row: (typeof PROBE_ROWS)[number], stream: string) => Float64Array {
  const data = outputs[output]!.data as Float64Array;
  const tokens = size * length;
  return (row, stream) =>
    probeRow(data, {
      row: PROBE_ROWS.indexOf(row),
      stream: streams.indexOf(stream),
      streams: streams.length,
      tokens,
    });
}

function sumOfSquares(values: Float64Array, { kinds }: Batch): number {
  return values.reduce((sum, value, i) => (kinds[i] === 'valid' ? sum + value ** 2 : sum), 0);
}
