import { divergingLayers, isReferenceAtFault, localRows } from '../metrics/index.js';
import { keepOutputs } from '../onnx/rewrite.js';
import type { Batch, Finding, LocalDivergence, Row, Stream, TensorData } from '../types.js';
import { headDistances, validRelL2 } from './distance.js';
import { unlessFailing } from './failure.js';
import { givenFeeds } from './feeds.js';
import { handed, handOut, runDiffGraph, type Handed } from './handed.js';
import { isTwin, rebuildAgain, twinOf, type SecondPass } from './secondPass.js';

type KernelFault = Extract<Finding, { code: 'kernel-fault' }>;

/**
 * Whether a local divergence is the doing of a kernel: of the two that part, the one farther from exact is run with the
 * same settings on the CPU's usual kernel, on the same Q, K, V, and there agrees with the other to within rounding.
 *
 * @returns null where the one at fault has no other kernel than the CPU's, where its twin parts too (then a setting or
 *   rounding does it), or where one of them does not run alone
 */
export async function kernelFault(
  finding: LocalDivergence,
  rows: readonly Row[],
  context: SecondPass,
): Promise<KernelFault | null> {
  const { implementations, reference: label } = context.config;
  const labelled = (wanted: string): Stream =>
    implementations.find((stream) => stream.label === wanted)!;
  const [stream, reference] = [labelled(finding.implementation), labelled(label)];
  const isReference = isReferenceAtFault(rows, { ...finding, reference: label });
  const [subject, other] = isReference ? [reference, stream] : [stream, reference];
  if (isTwin(subject)) return null;
  const batch = context.batches.find(({ name }) => name === finding.batch)!;
  const layers = divergingLayers(rows, finding);
  return unlessFailing(async () => {
    const home = await handOut(context, reference, stream, batch);
    const ofReference = new Map(
      layers.map((layer) => [layer, handed(home, `layer${layer}/localReference`)]),
    );
    const [own, twin] = [
      await locals(context, stream, home, batch, layers),
      await locals(context, twinOf(subject), home, batch, layers),
    ];
    const [atFault, right] = isReference ? [ofReference, own] : [own, ofReference];
    const twinRelL2 = Math.max(
      ...layers.map((layer) => validRelL2(twin.get(layer)!, right.get(layer)!, batch)),
    );
    if (!(twinRelL2 <= finding.limit)) return null;
    const heads = headDistances(
      atFault.get(finding.layer)!,
      right.get(finding.layer)!,
      batch,
    ).flatMap((distance, head) => (distance <= finding.limit ? [] : [head]));
    const { batch: name, relL2, limit } = finding;
    const positions = localRows(rows, finding.implementation, name).flatMap(
      ({ layer, firstToken }) =>
        layers.includes(layer!) && firstToken !== null ? [firstToken] : [],
    );
    const firstToken = positions.length === 0 ? null : Math.min(...positions);
    const { provider, kernel } = subject.settings;
    return {
      code: 'kernel-fault',
      implementation: subject.label,
      against: other.label,
      provider,
      kernel: kernel === null ? subject.name : `${subject.name} (${kernel})`,
      twin: `${subject.name}@cpu`,
      layers,
      batch: name,
      relL2,
      limit,
      twinRelL2,
      heads,
      allHeads: heads.length === context.loaded.sizes.heads,
      firstToken,
    };
  }, null);
}

/** What a stream makes of the reference's Q, K, V: by layer, [B,H,S,D]. */
async function locals(
  context: SecondPass,
  stream: Stream,
  home: Handed,
  batch: Batch,
  layers: readonly number[],
): Promise<Map<number, TensorData>> {
  const diff = rebuildAgain(context, [batch], {
    streams: [stream],
    reference: context.config.reference,
    given: home.diff.shared,
    capture: true,
  });
  const captures = diff.captures.filter(
    ({ tap, scope, layer }) => tap === 'attention' && scope === 'local' && layers.includes(layer!),
  );
  keepOutputs(
    diff.model,
    captures.map(({ output }) => output),
  );
  const outputs = await runDiffGraph(
    context,
    stream,
    diff,
    batch,
    givenFeeds(home.diff.shared, home.outputs),
  );
  return new Map(captures.map(({ layer, output }) => [layer!, outputs[output]!]));
}
