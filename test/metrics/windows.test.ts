import { describe, expect, it } from 'vitest';
import { windowFindings } from '../../src/metrics/index.js';

const config = { slidingWindow: 8, maxWindowLayers: 2, layerTypes: null, maxPositions: 64 };
const sites = (...windows: (number | null)[]) =>
  windows.map((window, layer) => ({ layer, window }));

describe('windowFindings', () => {
  it('is silent where layers from max_window_layers on slide', () =>
    expect(windowFindings(sites(null, null, 8, 8), config)).toEqual([]));
  it('names layers that lost their window (transformers #35924)', () => {
    expect(windowFindings(sites(null, null, null, null), config)).toEqual([
      { code: 'window-not-as-configured', layers: [2, 3], expected: 8, found: null },
    ]);
  });
  it('names a window one token off (transformers #39408), and one where none belongs', () => {
    expect(windowFindings(sites(8, null, 9, 9), config)).toEqual([
      { code: 'window-not-as-configured', layers: [0], expected: null, found: 8 },
      { code: 'window-not-as-configured', layers: [2, 3], expected: 8, found: 9 },
    ]);
  });
  it('goes by layer_types where there are any', () => {
    expect(
      windowFindings(sites(8, null), {
        ...config,
        layerTypes: ['full_attention', 'sliding_attention'],
      }),
    ).toEqual([
      { code: 'window-not-as-configured', layers: [0], expected: null, found: 8 },
      { code: 'window-not-as-configured', layers: [1], expected: 8, found: null },
    ]);
  });
  it('takes a window as long as the model for none', () =>
    expect(windowFindings(sites(null, null, null), { ...config, slidingWindow: 64 })).toEqual([]));
});
