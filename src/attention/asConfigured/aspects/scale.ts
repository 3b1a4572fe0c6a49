import type { Aspect, LayerMeasurement } from '../aspect.js';
import { amplitudeOf, gainOf, hasPlainFactor } from '../gains.js';

/**
 * The scale of the scores: the site's own, times what query and key are multiplied with between their projections and
 * the site beyond the amplitude of their rotary embedding. Behind a norm of the heads the latter is not seen.
 */
export const scale: Aspect = {
  name: 'scale',
  read: (layer, config) => {
    const amplitude = amplitudeOf(config.rotary[layer.layer]);
    return [
      {
        part: null,
        found: foundScale(layer, amplitude),
        expected: config.scale,
        tolerance: 4 * layer.rounding,
      },
    ];
  },
};

function foundScale(layer: LayerMeasurement, amplitude: number): number {
  if (hasPlainFactor(layer, amplitude)) return layer.scale;
  const gains = [layer.query, layer.key].map((paths) => gainOf(paths, amplitude) / amplitude);
  const total = gains.reduce((product, gain) => product * gain, 1);
  return Math.abs(total - 1) <= 4 * layer.rounding ? layer.scale : layer.scale * total;
}
