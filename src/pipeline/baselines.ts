import { DEFAULT_SETTINGS, plainSettings, sameComputation } from '../attention/settings.js';
import type { Baselines } from '../metrics/index.js';
import type {
  AttentionPrecision,
  AttentionSettings,
  ImplementationName,
  ProviderName,
  Stream,
} from '../types.js';

/** A run's streams, with those that errors are measured against. */
export interface StreamPlan {
  streams: Stream[];
  /** Label of `exact`. */
  truth: string;
  baselines: Baselines;
}

/**
 * Adds the streams that every run measures against, hidden where they are not among those asked for: `exact`, eager
 * in fp32, and eager at the run's precision.
 */
export function withBaselines(
  asked: readonly Stream[],
  precision: AttentionPrecision,
  provider: ProviderName = 'cpu',
): StreamPlan {
  const streams = [...asked];
  const labelOf = (
    name: ImplementationName,
    settings: AttentionSettings,
    label: string,
  ): string => {
    const found = streams.find((stream) => sameComputation(stream, { name, settings }));
    if (found) return found.label;
    const hidden = { label: `${label}*`, name, settings, hidden: true };
    streams.push(hidden);
    return hidden.label;
  };
  const truth = labelOf('exact', { ...DEFAULT_SETTINGS, provider }, 'exact');
  const baselines = {
    fp32: labelOf('eager', { ...DEFAULT_SETTINGS, provider }, 'eager:precision=fp32'),
    plain: labelOf('eager', { ...plainSettings(precision), provider }, 'eager'),
  };
  return { streams, truth, baselines };
}
