import { expect, test } from 'vitest';
import {
  rotaryEmbedding,
  type RotaryParameters,
  type RotaryScaling,
} from '../../src/model/rotary.js';

/** What transformers 5.24's ROPE_INIT_FUNCTIONS give for a LlamaConfig with head_dim 16 and max_position_embeddings 256. */
const HUGGING_FACE: [string, RotaryScaling, Partial<RotaryParameters>, number[], number][] = [
  [
    'default',
    'default',
    {},
    [1, 0.31622776, 0.1, 0.031622779, 0.0099999998, 0.0031622779, 0.001, 0.00031622779],
    1,
  ],
  [
    'linear',
    'linear',
    { factor: 4 },
    [
      0.25, 0.079056941, 0.025, 0.0079056947, 0.0024999999, 0.00079056947, 0.00025000001,
      7.9056947e-5,
    ],
    1,
  ],
  [
    'dynamic',
    'dynamic',
    { factor: 4 },
    [1, 0.31622776, 0.1, 0.031622779, 0.0099999998, 0.0031622779, 0.001, 0.00031622779],
    1,
  ],
  [
    'YaRN',
    'yarn',
    { factor: 4, original_max_position_embeddings: 64 },
    [
      1, 0.23717082, 0.049999997, 0.0079056947, 0.0024999999, 0.00079056947, 0.00025000001,
      7.9056947e-5,
    ],
    1.138629436111989,
  ],
  [
    'YaRN with every parameter',
    'yarn',
    {
      theta: 500,
      factor: 8,
      original_max_position_embeddings: 32,
      mscale: 0.7,
      mscale_all_dim: 1.2,
      beta_fast: 16,
      beta_slow: 2,
      truncate: false,
    },
    [
      1, 0.12545049, 0.02643428, 0.012156156, 0.0055901702, 0.0025707141, 0.001182177,
      0.00054363982,
    ],
    0.9167912505456107,
  ],
  [
    'LongRoPE',
    'longrope',
    { short_factor: [1, 1.1, 1.2, 1.5, 2, 3, 4, 5], original_max_position_embeddings: 64 },
    [
      1, 0.28747976, 0.083333336, 0.02108185, 0.0049999999, 0.0010540927, 0.00025000001,
      6.3245556e-5,
    ],
    1.1547005383792517,
  ],
  [
    'Llama 3',
    'llama3',
    {
      theta: 500000,
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 128,
    },
    [
      1, 0.1911265, 0.0047007538, 0.00091158313, 0.00017677668, 3.4281024e-5, 6.6478697e-6,
      1.2891732e-6,
    ],
    1,
  ],
];

test.each(HUGGING_FACE)(
  '%s: frequencies and amplitude of transformers',
  (_, scaling, parameters, frequencies, amplitude) => {
    const embedding = rotaryEmbedding(scaling, {
      theta: 10000,
      width: 16,
      maxPositions: 256,
      ...parameters,
    })!;
    // transformers computes them in float32.
    embedding.frequencies.forEach((value, i) =>
      expect(Math.abs(value / frequencies[i]! - 1)).toBeLessThan(1e-6),
    );
    expect(embedding).toMatchObject({
      scaling,
      theta: parameters.theta ?? 10000,
      amplitude: expect.closeTo(amplitude, 12),
    });
  },
);

test.each<[RotaryScaling, Partial<RotaryParameters>]>([
  ['linear', {}],
  ['llama3', { factor: 8, low_freq_factor: 1, high_freq_factor: 4 }],
  ['longrope', { original_max_position_embeddings: 64 }],
  ['longrope', { original_max_position_embeddings: 64, short_factor: [1, 2] }],
])('%s says nothing where a number is missing', (scaling, parameters) => {
  expect(
    rotaryEmbedding(scaling, { theta: 10000, width: 16, maxPositions: 256, ...parameters }),
  ).toBeNull();
});
