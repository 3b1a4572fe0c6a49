import type { Finding } from '../types.js';

/** What config.json says of sliding windows: see ModelConfig. */
export interface ConfiguredWindows {
  slidingWindow: number | null;
  maxWindowLayers: number;
  layerTypes: readonly string[] | null;
  maxPositions: number;
}

/** The window that config.json asks for in a layer; null for none, and where it is no smaller than the model's positions. */
export function configuredWindow(
  { slidingWindow, maxWindowLayers, layerTypes, maxPositions }: ConfiguredWindows,
  layer: number,
): number | null {
  const slides = layerTypes ? layerTypes[layer] === 'sliding_attention' : layer >= maxWindowLayers;
  return slides && slidingWindow !== null && slidingWindow < maxPositions ? slidingWindow : null;
}

/**
 * Holds the windows that the file's masks have against those that config.json asks for: layers named
 * `sliding_attention` slide, without names those from max_window_layers on. A window that is not smaller than the
 * positions that the model has cannot be told from none, so it counts as none.
 *
 * @returns one finding for each pair of windows that differ
 */
export function windowFindings(
  sites: readonly { layer: number; window: number | null }[],
  config: ConfiguredWindows,
): Finding[] {
  const { maxPositions } = config;
  const effective = (window: number | null): number | null =>
    window !== null && window < maxPositions ? window : null;
  const found: Extract<Finding, { code: 'window-not-as-configured' }>[] = [];
  for (const { layer, window } of sites) {
    const expected = configuredWindow(config, layer);
    const actual = effective(window);
    if (actual === expected) continue;
    const known = found.find(
      (finding) => finding.expected === expected && finding.found === actual,
    );
    if (known) known.layers.push(layer);
    else found.push({ code: 'window-not-as-configured', layers: [layer], expected, found: actual });
  }
  return found;
}
