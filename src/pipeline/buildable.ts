import type { ResolvedSite } from '../attention/evaluate.js';
import { implementationOf } from '../attention/implementations/index.js';
import { providerObstacle } from '../attention/kernels.js';
import { DEFAULT_SETTINGS } from '../attention/settings.js';
import { AttnDiffError } from '../errors.js';
import type { AttentionSettings, ImplementationName, Stream } from '../types.js';
import type { LoadedModel } from './load.js';

/** Why an implementation cannot be run on padded batches of this model; null where it can. */
export function obstacle(
  { sites, sizes, source: { config } }: LoadedModel,
  name: ImplementationName,
  settings: AttentionSettings = DEFAULT_SETTINGS,
): string | null {
  if (name === 'original' && sites.some(({ mask }) => mask.kind === 'lengths' && mask.ring)) {
    return "the file's GroupQueryAttention keeps a sliding-window cache, with which ONNX Runtime takes no padded batch";
  }
  if (name === 'original') return null;
  if (settings.maskForm === 'causal' && !config.isCausal)
    return 'without a mask (mask=causal) it is causal, and this model attends in both directions';
  if (settings.maskForm === 'causal' && sites.some(({ sink }) => sink !== null))
    return "without a mask (mask=causal) it has no place for the sinks of this model's softmax";
  return (
    providerObstacle(name, settings) ??
    implementationOf(name, settings).obstacle?.({
      headDim: sizes.headDim,
      causal: config.isCausal,
      hasSinks: sites.some(({ sink }) => sink !== null),
    }) ??
    null
  );
}

/**
 * Sees to it that a model has a window where an implementation is to have another one.
 *
 * @throws AttnDiffError not-buildable
 */
export function checkWindows(
  streams: readonly Stream[],
  sites: readonly Pick<ResolvedSite, 'maskSummary'>[],
): void {
  const windowed = streams.find(({ settings }) => settings.deviation?.kind === 'window');
  if (windowed && sites.every(({ maskSummary }) => maskSummary.window === null))
    throw new AttnDiffError('not-buildable', {
      implementation: windowed.label,
      problem: 'no layer of this model has a sliding window to replace',
    });
}
