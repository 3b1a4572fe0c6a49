import type { DiffGraph } from '../attention/rebuild.js';
import { keepOutputs } from '../onnx/rewrite.js';
import type { Batch, Stream, TensorData, Tensors } from '../types.js';
import { diffFeeds } from './feeds.js';
import { runOnce } from './once.js';
import { rebuildAgain, runnerOf, type SecondPass } from './secondPass.js';

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
export async function handOut(
  context: SecondPass,
  reference: Stream,
  other: Stream,
  batch: Batch,
): Promise<Handed> {
  const diff = rebuildAgain(context, [batch], {
    streams: [reference],
    reference: reference.label,
    share: { siteInputs: other.name === 'original' },
  });
  keepOutputs(diff.model, [...new Set(diff.shared.map(({ output }) => output))]);
  return { diff, outputs: await runDiffGraph(context, reference, diff, batch, {}) };
}

/** @param key as `layer3/query` */
export function handed({ diff, outputs }: Handed, key: string): TensorData {
  return outputs[diff.shared.find((shared) => shared.key === key)!.output]!;
}

/**
 * Runs a rebuilt graph in the process of one of its streams.
 *
 * @param given what it takes from another graph
 */
export async function runDiffGraph(
  context: SecondPass,
  stream: Stream,
  diff: DiffGraph,
  batch: Batch,
  given: Tensors,
): Promise<Tensors> {
  const { loaded } = context;
  return runOnce(
    runnerOf(context, stream),
    diff.model,
    { ...diffFeeds(loaded.inputs, loaded.sizes, diff, batch), ...given },
    'looking into a divergence',
    loaded.folder,
  );
}
