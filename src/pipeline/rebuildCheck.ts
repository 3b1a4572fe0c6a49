import type { ResolvedSite } from '../attention/evaluate.js';
import { logitsOutput, rebuild, type DiffGraph } from '../attention/rebuild.js';
import type { MaskSource } from '../attention/site.js';
import { rebuildProbeBatch } from '../batch/index.js';
import { AttnDiffError } from '../errors.js';
import { aggregate, ROUNDING } from '../metrics/index.js';
import { streamOf } from '../attention/settings.js';
import type { Runner } from '../runners/types.js';
import { PADDING_SIDES, type AttentionForm, type ImplementationName, type PaddingSide, type RebuildCheck, type Stream, type TensorData, type Tensors } from '../types.js';
import { onRebuilt } from './failure.js';
import { diffFeeds, modelFeeds } from './feeds.js';
import type { LoadedModel } from './load.js';
import { inSession, runOnce } from './once.js';
import { originalPrecision } from './precision.js';
import { readProbes } from './stats.js';

/** Relative L2 that splitting and stacking the batch may cost: float32 rounding of sums in another order. */
const ORIGINAL_LIMIT = 1e-6;
/** The implementation that a form of attention amounts to. */
const EQUIVALENT: Readonly<Record<AttentionForm, Exclude<ImplementationName, 'original'>>> = {
  decomposed: 'eager',
  'onnx-attention': 'sdpa',
  'group-query-attention': 'flash',
  'multi-head-attention': 'eager',
};

/**
 * Proves, on a short probe batch, that the model was understood: `original` in the rebuilt graph must give the
 * unmodified file's logits, and the implementation that each site amounts to must give what the site's own nodes
 * give on the same Q, K, V, layer by layer. Left out of the second comparison is where implementations differ by
 * design: rows that may look at no key, and all padding where the operator masks by length.
 *
 * @throws AttnDiffError rebuild-differs (names the layer and the two numbers), rebuilt-refused, and those of a runner
 */
export async function checkRebuild(loaded: LoadedModel, sites: readonly ResolvedSite[], runner: Runner): Promise<RebuildCheck> {
  const { graph, sizes, inputs } = loaded;
  const byLength = sites.some(({ mask }) => mask.kind === 'lengths');
  const batch = rebuildProbeBatch(sizes.vocabSize, PADDING_SIDES.filter((side) => sites.every(({ mask }) => understands(mask, side))));
  const equivalent = EQUIVALENT[sites[0]!.form];
  const streams: Stream[] = [streamOf(equivalent), streamOf('original')];
  const logits = logitsOutput(graph);
  const execute = async (dequantise: boolean): Promise<{ diff: DiffGraph; outputs: Tensors }> => {
    const diff = rebuild({ graph, sites, sizes, streams, reference: equivalent, keep: [logits], dequantise });
    const outputs = await onRebuilt(() => runOnce(runner, diff.model, diffFeeds(inputs, sizes, diff, batch), 'running the rebuilt model', loaded.folder));
    return { diff, outputs };
  };

  const unmodified = await inSession(runner, { model: loaded.unmodified }, 'running the unmodified model', (session) => session.run(modelFeeds(inputs, sizes, batch, 1)));
  const rebuilt = await execute(false);
  const originalRelL2 = relativeL2(secondHalf(rebuilt.outputs[logits]!), unmodified[logits]!);
  if (!(originalRelL2 <= ORIGINAL_LIMIT)) throw new AttnDiffError('rebuild-differs', { what: 'logits', layer: null, actual: originalRelL2, limit: ORIGINAL_LIMIT });

  const equivalentLimit = originalPrecision(graph, sites).precision === 'fp16' ? ROUNDING.fp16 : ROUNDING.fp32;
  // Rounding to 8 bits inside attention would hide a wrong recognition, so it is left out of this comparison.
  const quantised = sites.some(({ quantisation }) => quantisation.length > 0);
  const { diff, outputs } = quantised ? await execute(true) : rebuilt;
  let equivalentRelL2 = 0;
  for (const row of aggregate(readProbes(diff, outputs, batch, 0, sizes), [batch])) {
    if (row.implementation !== 'original' || row.scope !== 'local' || row.kind === 'fullyMasked' || (byLength && row.kind === 'padding')) continue;
    if (!(row.relL2 <= equivalentLimit)) throw new AttnDiffError('rebuild-differs', { what: equivalent, layer: row.layer, actual: row.relL2, limit: equivalentLimit });
    equivalentRelL2 = Math.max(equivalentRelL2, row.relL2);
  }
  return { originalRelL2, originalLimit: ORIGINAL_LIMIT, equivalent, equivalentRelL2, equivalentLimit };
}

/** An operator that masks by valid length is wrong on left padding, and with a ring cache refuses any. */
function understands(mask: MaskSource, side: PaddingSide): boolean {
  return mask.kind === 'tensor' || (side === 'right' && !mask.ring);
}

/** The part of two streams' stacked logits that belongs to the second. */
function secondHalf({ data }: TensorData): Float32Array {
  const stacked = data as Float32Array;
  return stacked.subarray(stacked.length / 2);
}

/**
 * ‖x − ref‖₂/‖ref‖₂ over the elements that are finite in both; Infinity where one is finite and the other is not,
 * or where the shapes differ, since NaN in the same places is the same result and elsewhere is another one.
 */
export function relativeL2(x: Float32Array, ref: TensorData): number {
  const reference = ref.data as Float32Array;
  if (x.length !== reference.length) return Infinity;
  let delta = 0;
  let norm = 0;
  for (let i = 0; i < x.length; i++) {
    const a = x[i]!;
    const b = reference[i]!;
    if (Object.is(a, b)) norm += Number.isFinite(b) ? b * b : 0;
    else if (!Number.isFinite(a) || !Number.isFinite(b)) return Infinity;
    else {
      delta += (a - b) ** 2;
      norm += b * b;
    }
  }
  return delta === 0 ? 0 : Math.sqrt(delta / norm);
}
