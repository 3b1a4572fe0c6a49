import { isEmulated } from './kernels.js';
import type { MaskRule } from './mask.js';
import type {
  AttentionSettings,
  Deviation,
  ImplementationName,
  MaskSpec,
  Stream,
} from '../types.js';

/** float32, as Hugging Face's implementations are called; tiles of 128 keys are FlashAttention-2's for heads up to 64. */
export const DEFAULT_SETTINGS: AttentionSettings = {
  provider: 'cpu',
  precision: 'fp32',
  scoresPrecision: 'fp32',
  softmaxPrecision: 'fp32',
  flashBlock: 128,
  maskFill: 'min',
  maskForm: null,
  alignment: 'bottom-right',
  kernel: null,
  deviation: null,
};

/** Settings where nothing but the precision is unusual: eager's scores are rounded to it too. */
export function plainSettings(precision: AttentionSettings['precision']): AttentionSettings {
  return { ...DEFAULT_SETTINGS, precision, scoresPrecision: precision };
}

/** A stream of its own, as for a check or a test. */
export function streamOf(
  name: ImplementationName,
  settings: Partial<AttentionSettings> = {},
  label: string = name,
): Stream {
  return { label, name, settings: { ...DEFAULT_SETTINGS, ...settings }, hidden: false };
}

/** What a stream's settings come to under one deviation; the settings themselves keep those that only change tensors. */
export function deviate(settings: AttentionSettings, deviation: Deviation): AttentionSettings {
  switch (deviation.kind) {
    case 'fill':
      return { ...settings, maskFill: deviation.to };
    case 'precision':
      return { ...settings, precision: deviation.to };
    case 'scores-precision':
      return { ...settings, scoresPrecision: deviation.to };
    case 'softmax-precision':
      return { ...settings, softmaxPrecision: deviation.to };
    case 'alignment':
      return { ...settings, alignment: deviation.to };
    case 'mask-form':
      return { ...settings, maskForm: deviation.to };
    default:
      return { ...settings, deviation };
  }
}

/** Which keys a query may look at under these settings, at a site whose mask follows this rule. */
export function maskSpecOf(
  { window, causal, padding }: MaskRule,
  { alignment, deviation }: AttentionSettings,
): MaskSpec {
  const spec: MaskSpec = {
    window,
    causal,
    padding: padding ? 'as given' : 'ignored',
    alignment,
    shift: 0,
  };
  switch (deviation?.kind) {
    case 'window':
      return deviation.slidingOnly && window === null ? spec : { ...spec, window: deviation.to };
    case 'mask-shift':
      return { ...spec, shift: deviation.by };
    case 'padding-side':
      return { ...spec, padding: 'flipped' };
    case 'mask-ignored':
      return deviation.part === 'causal'
        ? { ...spec, causal: false }
        : { ...spec, padding: 'ignored' };
    default:
      return spec;
  }
}

/** Whether two streams compute the same thing. */
export function sameComputation(
  a: Pick<Stream, 'name' | 'settings'>,
  b: Pick<Stream, 'name' | 'settings'>,
): boolean {
  return a.name === b.name && JSON.stringify(effective(a)) === JSON.stringify(effective(b));
}

/**
 * What a stream is set to besides provider, precision and kernel, as `--impl` takes it; of what it takes no notice of,
 * nothing. `scores=fp32:softmax=fp32:fill=min:mask=additive:align=bottom-right`
 */
export function settingsText({ name, settings }: Pick<Stream, 'name' | 'settings'>): string {
  const {
    scoresPrecision,
    softmaxPrecision,
    flashBlock,
    maskFill,
    maskForm,
    alignment,
    deviation,
  } = effective({ name, settings });
  const form =
    maskForm === undefined ? undefined : (maskForm ?? (name === 'eager' ? 'additive' : 'boolean'));
  const window = deviation?.kind === 'window' ? String(deviation.to ?? 'none') : undefined;
  const words = {
    scores: scoresPrecision,
    softmax: softmaxPrecision,
    fill: maskFill,
    mask: form,
    align: alignment,
    window,
    block: flashBlock,
  };
  return Object.entries(words)
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]))
    .join(':');
}

/** The settings that an implementation takes notice of. */
function effective({
  name,
  settings,
}: Pick<Stream, 'name' | 'settings'>): Partial<AttentionSettings> {
  const {
    provider,
    precision,
    scoresPrecision,
    softmaxPrecision,
    flashBlock,
    maskFill,
    maskForm,
    alignment,
    kernel,
    deviation,
  } = settings;
  switch (name) {
    case 'eager':
      return {
        provider,
        precision,
        scoresPrecision,
        softmaxPrecision,
        maskFill,
        maskForm,
        alignment,
        deviation,
      };
    case 'sdpa':
      return { provider, kernel, precision, maskForm, alignment, deviation };
    case 'flash':
      return {
        provider,
        kernel,
        precision,
        deviation,
        ...(isEmulated(settings) ? { flashBlock } : {}),
      };
    case 'exact':
      return { provider, alignment, deviation };
    case 'original':
      return { provider };
  }
}
