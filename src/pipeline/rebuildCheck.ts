import type { ResolvedSite } from '../attention/evaluate.js';
import { rebuild, type DiffGraph } from '../attention/rebuild.js';
import { sameComputation, streamOf } from '../attention/settings.js';
import type { MaskSource } from '../attention/site.js';
import { rebuildProbeBatch } from '../batch/index.js';
import { AttnDiffError } from '../errors.js';
import { ROUNDING } from '../metrics/index.js';
import { fileRequest, plainFileRequest } from '../runners/modelRequest.js';
import type { Runner, SessionRequest } from '../runners/types.js';
import {
  PADDING_SIDES,
  type AttentionForm,
  type Batch,
  type ImplementationName,
  type PaddingSide,
  type Precision,
  type RebuildCheck,
  type Stream,
  type TensorData,
  type Tensors,
  type TokenKind,
} from '../types.js';
import { agreement, type Agreement } from './agreement.js';
import { isConstantByToken } from './constant.js';
import { onFile, onFirstRebuilt, unlessFailing } from './failure.js';
import { diffFeeds } from './feeds.js';
import { onLifted, runFile } from './fixedBatch.js';
import type { LoadedModel } from './load.js';
import { inSession, runOnce } from './once.js';
import { modelPrecision, originalPrecision } from './precision.js';

/** Relative L2 that splitting and stacking the batch may cost: float32 rounding of sums in another order. */
const STACKING = 1e-6;
/** The implementation that a form of attention amounts to. */
const EQUIVALENT: Readonly<Record<AttentionForm, Exclude<ImplementationName, 'original'>>> = {
  decomposed: 'eager',
  'onnx-attention': 'sdpa',
  'group-query-attention': 'flash',
  'multi-head-attention': 'eager',
};

/** What the probe showed. */
export interface RebuildProof {
  check: RebuildCheck;
  /** Of the streams asked about, those that gave the same bits as the file's own nodes at every layer, on every kind of token. */
  identical: Stream[];
}

/** One pass of the probe through a rebuilt graph. */
interface Pass {
  diff: DiffGraph;
  outputs: Tensors;
}

/**
 * Proves, on a short probe batch, that the model was understood: `original` in the rebuilt graph must give the
 * outputs of the unmodified file in a session of defaults, and the implementation that each site amounts to must give what the
 * site's own nodes give on the same Q, K, V, layer by layer. Numbers are compared position by position: NaN in the same
 * place is the same result. Left out of the second comparison is where implementations differ by design: rows that may
 * look at no key, and all padding where the operator masks by length; where the file's own nodes are NaN or infinite and
 * the implementation is not, which the run shows as what it is; and where one of them is, Q, K or V being so already.
 *
 * Limits follow the file's precision. Against a session of defaults they are what rounding explains, since that may fuse
 * nodes that the run keeps apart; beyond what stacking explains, a session that fuses as the run's do must agree better.
 *
 * @param runnerNow the runner, another where the one before has ended
 * @param candidates streams that may give the same bits as the file's own nodes; where they fail, none does
 * @throws AttnDiffError rebuild-differs (names the layer and the two numbers), rebuilt-refused, and those of a runner
 */
export async function checkRebuild(
  loaded: LoadedModel,
  sites: readonly ResolvedSite[],
  runnerNow: Runner | (() => Runner),
  candidates: readonly Stream[] = [],
): Promise<RebuildProof> {
  return onLifted(loaded.fixed, () => provenRebuild(loaded, sites, runnerNow, candidates));
}

async function provenRebuild(
  loaded: LoadedModel,
  sites: readonly ResolvedSite[],
  runnerNow: Runner | (() => Runner),
  candidates: readonly Stream[],
): Promise<RebuildProof> {
  const { graph, sizes, inputs } = loaded;
  const runner = typeof runnerNow === 'function' ? runnerNow : () => runnerNow;
  const byLength = sites.some(({ mask }) => mask.kind === 'lengths');
  const batch = rebuildProbeBatch(
    sizes.vocabSize,
    PADDING_SIDES.filter(
      (side) => loaded.takesMask && sites.every(({ mask }) => understands(mask, side)),
    ),
    sites.some(({ fileMask }) => fileMask.causal),
    loaded.fixed.length,
  );
  const equivalent = streamOf(EQUIVALENT[sites[0]!.form]);
  const outputs = loaded.outputs
    .filter(({ type }) => type.includes('float'))
    .map(({ name }) => name);
  const execute = async (others: readonly Stream[], dequantise: boolean): Promise<Pass> => {
    const streams = [
      equivalent,
      ...others
        .filter((stream) => !sameComputation(stream, equivalent))
        .map(({ name, settings }, i) => streamOf(name, settings, `candidate${i}`)),
      ORIGINAL,
    ];
    const diff = rebuild({
      graph,
      sites,
      sizes,
      streams,
      reference: equivalent.label,
      keep: outputs,
      dequantise,
      fileMasks: true,
      capture: true,
      ranges: true,
      share: { siteInputs: false },
    });
    return {
      diff,
      outputs: await onFirstRebuilt(() =>
        runOnce(
          runner(),
          diff.model,
          diffFeeds(inputs, sizes, diff, batch),
          'running the rebuilt model',
          loaded.folder,
        ),
      ),
    };
  };
  const unmodified = async (request: SessionRequest): Promise<Tensors> =>
    onFile(() =>
      inSession(runner(), request, 'running the unmodified model', (session) =>
        runFile(session, loaded, batch),
      ),
    );

  const defaults = await unmodified(fileRequest(loaded.unmodified, graph.graph));
  // Where the file's mask is wrong, the pass has it in all streams, and the run in none but the file's own.
  const alike = sites.every(({ maskFaults }) => maskFaults.length === 0) ? candidates : [];
  const asked = await unlessFailing<Pass | null>(() => execute(alike, false), null);
  const rebuilt = asked ?? (await execute([], false));
  const precision = modelPrecision(graph);
  const originalLimit = limitOf(precision);
  const heldTo = (file: Tensors, limit: number): Agreement[] =>
    outputs.map((name) => {
      const found = agreement(
        lastPart(rebuilt.outputs[name]!, rebuilt.diff.slots),
        numbersOf(file[name]!),
      );
      hold(found, limit, { what: name, layer: null });
      return found;
    });
  const originals = heldTo(defaults, originalLimit);
  const originalRelL2 = originals.reduce((most, { relL2 }) => Math.max(most, relL2), 0);
  if (originalRelL2 > STACKING)
    heldTo(
      await unmodified(plainFileRequest(loaded.unmodified, graph.graph)),
      precision === 'fp16' ? ROUNDING.fp16 : STACKING,
    );

  const equivalentLimit =
    originalPrecision(graph, sites).precision === 'fp16' ? ROUNDING.fp16 : ROUNDING.fp32;
  // Rounding to 8 bits inside attention would hide a wrong recognition, so it is left out of this comparison.
  const quantised = sites.some(({ quantisation }) => quantisation.length > 0);
  const compared = quantised ? await execute([], true) : rebuilt;
  // A stray cast is not rebuilt: where there is one, its rounding is all that the reading may be off by.
  const limitAt = (layer: number): number =>
    Math.max(
      equivalentLimit,
      ...loaded.strayCasts.filter((cast) => cast.layer === layer).map(({ to }) => ROUNDING[to]),
    );
  let equivalentRelL2 = 0;
  let nonFinite = originals.reduce((sum, found) => sum + found.nonFinite, 0);
  for (const { layer } of sites) {
    const own = attentionOf(compared, ORIGINAL.label, layer);
    const other = attentionOf(compared, equivalent.label, layer);
    const kindOf = kindAt(batch, own);
    const isSound = rowsWithFiniteInputs(compared, layer);
    // What the file alone makes NaN is no fault of reading it; what becomes of a NaN that enters is each kernel's own way.
    const isLeftOut = (i: number): boolean =>
      isFinite(own, i) !== isFinite(other, i) && (isFinite(other, i) || !isSound(i));
    for (const kind of COMPARED) {
      if (kind === 'padding' && byLength) continue;
      const found = agreement(
        numbersOf(own),
        numbersOf(other),
        (i) => kindOf(i) === kind && !isLeftOut(i),
      );
      hold(
        { ...found, clash: found.clash && { x: found.clash.reference, reference: found.clash.x } },
        limitAt(layer),
        { what: equivalent.name, layer },
      );
      equivalentRelL2 = Math.max(equivalentRelL2, found.relL2);
      nonFinite += found.nonFinite;
    }
  }
  const logits = loaded.logits && defaults[loaded.logits.name];
  const isValid = (token: number): boolean => batch.kinds[token] === 'valid';
  const constant: RebuildCheck['constant'] = [
    ...(sites.every(({ layer }) =>
      isConstantByToken(attentionOf(rebuilt, ORIGINAL.label, layer), isValid, equivalentLimit),
    )
      ? (['attention'] as const)
      : []),
    ...(logits && isByToken(logits, batch) && isConstantByToken(logits, isValid, equivalentLimit)
      ? (['logits'] as const)
      : []),
  ];
  return {
    check: {
      originalRelL2,
      originalLimit,
      equivalent: equivalent.name,
      equivalentRelL2,
      equivalentLimit: Math.max(...sites.map(({ layer }) => limitAt(layer))),
      nonFinite,
      constant,
    },
    identical: asked === null ? [] : alike.filter((stream) => isIdentical(asked, stream, sites)),
  };
}

const ORIGINAL = streamOf('original');

/** Kinds of token on which implementations differ by their arithmetic alone; a fully masked one has no defined result. */
const COMPARED = ['valid', 'padding'] as const satisfies TokenKind[];

/** What rounding explains between a session that fuses nodes and one that keeps them apart. */
function limitOf(precision: Precision): number {
  return ROUNDING[precision];
}

/** @throws AttnDiffError rebuild-differs */
function hold(
  { relL2, clash }: Agreement,
  limit: number,
  place: { what: string; layer: number | null },
): void {
  if (clash !== null || !(relL2 <= limit))
    throw new AttnDiffError('rebuild-differs', { ...place, actual: relL2, limit, clash });
}

/** An operator that masks by valid length is wrong on left padding, and with a ring cache refuses any. */
function understands(mask: MaskSource, side: PaddingSide): boolean {
  return mask.kind !== 'lengths' || (side === 'right' && !mask.ring);
}

/** Whether a stream's attention has the bits of the file's own nodes on the same Q, K, V, at every layer and token. */
function isIdentical(pass: Pass, stream: Stream, sites: readonly ResolvedSite[]): boolean {
  const { label } = pass.diff.streams.find((candidate) => sameComputation(candidate, stream))!;
  return sites.every(
    ({ layer }) =>
      agreement(
        numbersOf(attentionOf(pass, label, layer)),
        numbersOf(attentionOf(pass, ORIGINAL.label, layer)),
      ).identical,
  );
}

/** What a stream's attention gives on the reference's Q, K, V: [B,H,S,D]. */
function attentionOf({ diff, outputs }: Pass, stream: string, layer: number): TensorData {
  const found = diff.captures.find(
    (capture) =>
      capture.stream === stream &&
      capture.layer === layer &&
      capture.tap === 'attention' &&
      capture.scope === 'local',
  );
  return outputs[found!.output]!;
}

/** Tells of an element of [B,H,S,D] at a layer whether Q, K and V of its row of the batch are finite. */
function rowsWithFiniteInputs({ diff, outputs }: Pass, layer: number): (index: number) => boolean {
  const inputs = QKV.map(
    (role) => outputs[diff.shared.find(({ key }) => key === `layer${layer}/${role}`)!.output]!,
  );
  const rows = inputs[0]!.dims[0]!;
  const isSound = Array.from({ length: rows }, (_, row) =>
    inputs.every((tensor) => isAllFinite(tensor, row)),
  );
  const size = inputs[0]!.data.length / rows;
  return (index) => isSound[Math.floor(index / size)]!;
}

const QKV = ['query', 'key', 'value'] as const;

function isAllFinite({ dims, data }: TensorData, row: number): boolean {
  const size = data.length / dims[0]!;
  return (data as Float32Array).subarray(row * size, (row + 1) * size).every(Number.isFinite);
}

/** The part of stacked logits that belongs to the last stream. */
function lastPart(stacked: TensorData, slots: number): ArrayLike<number> {
  const { data } = stacked as { data: Float32Array };
  return data.subarray((data.length / slots) * (slots - 1));
}

/** Whether a tensor has a row for each token of the batch. */
function isByToken({ dims }: TensorData, { size, length }: Batch): boolean {
  return dims.length === 3 && dims[0] === size && dims[1] === length;
}

/** The kind of the token that an element of [B,H,S,D] is of. */
function kindAt({ kinds, length }: Batch, { dims }: TensorData): (index: number) => TokenKind {
  const [, heads, , headDim] = dims as [number, number, number, number];
  return (index) => {
    const row = Math.floor(index / headDim);
    return kinds[Math.floor(row / (length * heads)) * length + (row % length)]!;
  };
}

function numbersOf({ data }: TensorData): ArrayLike<number> {
  return data as Float32Array;
}

function isFinite({ data }: TensorData, index: number): boolean {
  return Number.isFinite(data[index]);
}
