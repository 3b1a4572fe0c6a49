import { createHash } from 'node:crypto';
import type { ResolvedSite, Sizes } from '../attention/evaluate.js';
import { deviate, maskSpecOf, streamOf } from '../attention/settings.js';
import { allowedMask, rowHasKey } from '../batch/index.js';
import { SCALE_GRID, type Change } from '../metrics/index.js';
import type { ModelConfig } from '../model/index.js';
import {
  ALIGNMENTS,
  ATTENTION_PRECISIONS,
  MASK_FILLS,
  type AttentionPrecision,
  type AttentionSettings,
  type Batch,
  type MaskSpec,
  type Stream,
} from '../types.js';

export type Computation = Pick<Stream, 'label' | 'name' | 'settings'>;

/** Where changes are tried. */
export interface Place {
  site: Pick<ResolvedSite, 'layer' | 'scale' | 'maskSummary' | 'qkv'>;
  batch: Batch;
  sizes: Sizes;
  config: Pick<ModelConfig, 'slidingWindow' | 'rope'>;
}

/** The smallest normal number of fp32, the smallest and the smallest normal number of fp16, and half the distance of numbers next to 1 in fp16 and bf16. */
const FLUSHED_BELOW: readonly number[] = [-126, -24, -14, -11, -8].map((power) => 2 ** power);
const MOST_PADDINGS = 4;

/** eager alone has every setting, so it stands in for what is not: at the same precision, with nothing rounded on the way. */
export function changeable({ label, name, settings }: Stream, batch: Batch): Computation {
  if (name === 'eager') return { label, name, settings };
  const { precision, maskForm, alignment, deviation } = settings;
  const rounds = name === 'sdpa' || name === 'flash' ? precision : 'fp32';
  const form = maskForm === 'additive' || batch.mask?.additive ? 'additive' : 'boolean';
  const parts = [
    'eager',
    ...(rounds === 'fp32' ? [] : [`precision=${rounds}`, 'scores=fp32']),
    ...(form === 'boolean' ? ['mask=boolean'] : []),
  ];
  // ONNX Runtime's own causal masking is aligned top-left where keys came before.
  const aligned = maskForm === 'causal' && precision === 'fp32' ? 'top-left' : alignment;
  return {
    ...streamOf('eager', { precision: rounds, maskForm: form, alignment: aligned, deviation }),
    label: parts.join(':'),
  };
}

/**
 * The changes worth a try in one computation at one layer: each rounding, the mask, the scale, the order of heads and
 * positions, one at a time. A mask that leaves the valid queries of this batch the same keys as the computation's own,
 * or as an earlier change, is left out: nothing could tell them apart.
 */
export function changesOf({ settings }: Computation, place: Place): Change[] {
  const seen = new Set([fingerprint(place, maskSpecOf(place.site.maskSummary, settings))]);
  const isNew = (change: Change): boolean => {
    const mark = fingerprint(place, maskSpecOf(place.site.maskSummary, deviate(settings, change)));
    return seen.size < seen.add(mark).size;
  };
  return [
    ...maskChanges(settings, place).filter((change) => isSingle(settings, change) && isNew(change)),
    ...[
      ...scales(place),
      ...headsAndPositions(place),
      ...FLUSHED_BELOW.map((below): Change => ({ kind: 'flush', below })),
    ].filter((change) => isSingle(settings, change)),
    ...roundings(settings),
  ];
}

/** The computation as it is at one site, without a deviation that does nothing there. */
export function atSite(computation: Computation, { maskSummary }: Place['site']): Computation {
  const { deviation } = computation.settings;
  const isIdle =
    deviation?.kind === 'window' && deviation.slidingOnly && maskSummary.window === null;
  return isIdle
    ? { ...computation, settings: { ...computation.settings, deviation: null } }
    : computation;
}

/** Whether it is one change: settings hold one deviation, and another in its place takes the first back. */
export function isSingle(settings: AttentionSettings, change: Change): boolean {
  const changed = deviate(settings, change);
  return (
    settings.deviation === null ||
    changed.deviation === settings.deviation ||
    changed.deviation?.kind === settings.deviation.kind
  );
}

/**
 * The variants that a change is tried as. A query that the changed mask leaves no key is the mean of all values in
 * eager and zero elsewhere: then sdpa is tried too, and the nearer of the two counts.
 */
export function variantsOf(changed: Computation, { site, batch }: Place): Computation[] {
  const mask = maskSpecOf(site.maskSummary, changed.settings);
  const { dims, data } = rowHasKey(batch, mask);
  const heads = dims[1] ?? 1;
  const keyless = data.some(
    (has, i) =>
      has === 0 &&
      batch.kinds[Math.floor(i / (heads * batch.length)) * batch.length + (i % batch.length)] ===
        'valid',
  );
  const maskForm = changed.settings.maskForm === 'boolean' ? 'boolean' : 'additive';
  return keyless
    ? [
        changed,
        {
          label: `${changed.label}, sdpa`,
          name: 'sdpa',
          settings: { ...changed.settings, maskForm },
        },
      ]
    : [changed];
}

/**
 * What the computation does otherwise than one with this change, where the change is a cure: its own setting, or the
 * change turned round.
 *
 * @param window that of the computation
 */
export function cured({ settings }: Computation, window: number | null, change: Change): Change {
  switch (change.kind) {
    case 'scores-precision':
      return { kind: change.kind, to: settings.scoresPrecision };
    case 'softmax-precision':
      return { kind: change.kind, to: settings.softmaxPrecision };
    case 'precision':
      return { kind: change.kind, to: settings.precision };
    case 'fill':
      return { kind: change.kind, to: settings.maskFill };
    case 'mask-form':
      return { kind: change.kind, to: settings.maskForm ?? 'additive' };
    case 'alignment':
      return { kind: change.kind, to: settings.alignment };
    case 'window':
      return { kind: change.kind, to: window };
    case 'scale':
      return { kind: change.kind, factor: 1 / change.factor };
    case 'mask-shift':
      return { kind: change.kind, by: -change.by };
    case 'positions':
      return { ...change, by: -change.by };
    case 'head-order':
      return {
        kind: change.kind,
        order: change.order.map((_, head) => change.order.indexOf(head)),
      };
    default:
      return change;
  }
}

/** In the order in which one of several that look the same is to be named. */
function maskChanges(settings: AttentionSettings, place: Place): Change[] {
  const window = (to: number | null): Change => ({ kind: 'window', to });
  return [
    ...windows(settings, place).map(window),
    ...ALIGNMENTS.filter((to) => to !== settings.alignment).map((to): Change => ({
      kind: 'alignment',
      to,
    })),
    { kind: 'mask-ignored', part: 'padding' },
    { kind: 'padding-side' },
    { kind: 'mask-ignored', part: 'causal' },
    { kind: 'mask-shift', by: 1 },
    { kind: 'mask-shift', by: -1 },
    ...powersOfTwo(place.batch.length).map(window),
  ];
}

/** None, the site's own, config.json's, and their neighbours. */
function windows(
  settings: AttentionSettings,
  { site: { maskSummary }, batch, config }: Place,
): (number | null)[] {
  const known = [
    maskSummary.window,
    config.slidingWindow,
    maskSpecOf(maskSummary, settings).window,
  ].flatMap((window) => (window === null ? [] : [window, window - 1, window + 1]));
  return [null, ...new Set(known)].filter(
    (window) => window === null || (window >= 1 && window < batch.length),
  );
}

function powersOfTwo(limit: number): number[] {
  return Array.from({ length: Math.ceil(Math.log2(limit)) }, (_, power) => 2 ** power);
}

/** The scales that are taken by mistake (1, 1/D, 1/√hidden, 1/hidden, 1/D^¼), and a grid around the right one. */
function scales({ site, sizes: { headDim, hiddenSize } }: Place): Change[] {
  const mistaken = [
    1,
    1 / headDim,
    1 / Math.sqrt(hiddenSize),
    1 / hiddenSize,
    headDim ** -0.25,
  ].map((scale) => scale / site.scale);
  const factors = [...mistaken, ...SCALE_GRID].filter(
    (factor, i, all) => Math.abs(factor - 1) > 1e-6 && all.indexOf(factor) === i,
  );
  return factors.map((factor) => ({ kind: 'scale', factor }));
}

function headsAndPositions({
  site,
  batch,
  sizes: { heads, kvHeads, headDim },
  config: { rope },
}: Place): Change[] {
  const changes: Change[] =
    site.qkv.grouped && kvHeads > 1 && kvHeads < heads ? [{ kind: 'kv-mapping' }] : [];
  if (rope === null) return changes;
  const inverseFrequencies = Array.from(
    { length: headDim / 2 },
    (_, i) => rope.theta ** ((-2 * i) / headDim) / rope.factor,
  );
  const steps = new Set([1, -1, 2, -2, ...paddings(batch).map((padding) => -padding)]);
  return [
    ...changes,
    ...Array.from(steps, (by): Change => ({ kind: 'positions', by, inverseFrequencies })),
  ];
}

/** Tokens of padding in the rows that have some, the least first. */
function paddings({ size, length, attentionMask }: Batch): number[] {
  const counts = Array.from({ length: size }, (_, b) =>
    attentionMask
      .subarray(b * length, (b + 1) * length)
      .reduce((count, bit) => count + Number(bit === 0n), 0),
  );
  return [...new Set(counts)]
    .filter((count) => count > 0)
    .toSorted((a, b) => a - b)
    .slice(0, MOST_PADDINGS);
}

function roundings(settings: AttentionSettings): Change[] {
  const form = settings.maskForm === 'boolean' ? 'additive' : 'boolean';
  const others = (now: AttentionPrecision): AttentionPrecision[] =>
    ATTENTION_PRECISIONS.filter((each) => each !== now);
  return [
    ...others(settings.scoresPrecision).map((to): Change => ({ kind: 'scores-precision', to })),
    ...others(settings.softmaxPrecision).map((to): Change => ({ kind: 'softmax-precision', to })),
    ...others(settings.precision).map((to): Change => ({ kind: 'precision', to })),
    { kind: 'mask-form', to: form },
    ...MASK_FILLS.filter((fill) => fill !== settings.maskFill).map((fill): Change => ({
      kind: 'fill',
      to: fill,
    })),
  ];
}

/** Tells masks apart by the keys that they leave the batch's valid queries. */
function fingerprint({ batch }: Place, mask: MaskSpec): string {
  const { dims, data } = allowedMask(batch, mask);
  const heads = dims[1] ?? 1;
  const hash = createHash('sha1');
  for (let row = 0; row < data.length / batch.length; row++) {
    const token = Math.floor(row / (heads * batch.length)) * batch.length + (row % batch.length);
    if (batch.kinds[token] === 'valid')
      hash.update(data.subarray(row * batch.length, (row + 1) * batch.length));
  }
  return hash.digest('base64');
}
