import type { AttentionConfig } from '../../model/attentionConfig.js';
import type { LayerMeasurement } from './aspect.js';
import type { Paths } from './measure.js';

/** What a rotary embedding multiplies its vectors with. */
export function amplitudeOf(rotary: AttentionConfig['rotary'][number] | undefined): number {
  return rotary && rotary !== 'none' ? rotary.amplitude : 1;
}

/** What the heads are multiplied with: that of the head farthest from the usual; the usual where no head shows it. */
export function gainOf(paths: Paths | null, usual: number): number {
  const gains = (paths?.heads ?? []).map((head) => head?.gain ?? usual);
  return gains.reduce(
    (worst, gain) => (Math.abs(gain - usual) > Math.abs(worst - usual) ? gain : worst),
    usual,
  );
}

/** Whether queries and keys are multiplied with 1 where config.json asks for another amplitude of their embedding. */
export function hasPlainFactor(
  { query, key, rounding }: LayerMeasurement,
  amplitude: number,
): boolean {
  const isPlain = (paths: Paths | null): boolean =>
    paths !== null &&
    paths.heads.every((head) => head?.gain != null && Math.abs(head.gain - 1) <= 4 * rounding);
  return Math.abs(amplitude - 1) > 4 * rounding && isPlain(query) && isPlain(key);
}
