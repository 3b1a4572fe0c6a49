import { describe, expect, it } from 'vitest';
import { buildBatch } from '../../src/batch/index.js';
import type { AttentionSettings, ImplementationName, TensorData } from '../../src/types.js';
import { attend } from '../support/attend.js';
import { fixture } from '../support/fixtures.js';
import { readSafetensors } from '../support/safetensors.js';

const golden = readSafetensors(fixture('reference', 'lowPrecision', 'attention.safetensors'));
const LENGTH = 150;
const batch = buildBatch({
  sequences: [LENGTH, LENGTH - 20].map((count) => Array.from({ length: count }, () => 1)),
  padding: 'left',
  padTokenId: 0,
  length: null,
  source: 'test',
  name: 'golden',
});
const MANTISSA = { bf16: 8, fp16: 11 } as const;

function tensor(name: string): TensorData {
  const { shape, data } = golden.get(name)!;
  return { type: 'float32', dims: shape, data: data as Float32Array };
}

/** The distance of neighbouring numbers of a precision, at x. */
function ulp(x: number, precision: keyof typeof MANTISSA): number {
  return 2 ** (Math.floor(Math.log2(Math.abs(x))) + 1 - MANTISSA[precision]);
}

interface Agreement {
  /** Share of the elements with the same bits. */
  identical: number;
  /** The largest distance of the others, in units of the last place of the larger. */
  ulps: number;
}

function agreement(
  actual: TensorData,
  expected: TensorData,
  precision: keyof typeof MANTISSA,
  isCounted: (token: number) => boolean,
): Agreement {
  const [, heads, length, headDim] = expected.dims as [number, number, number, number];
  let count = 0;
  let identical = 0;
  let ulps = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const token =
      Math.floor(i / (heads * length * headDim)) * length + (Math.floor(i / headDim) % length);
    if (!isCounted(token)) continue;
    const [a, b] = [Number(actual.data[i]), Number(expected.data[i])];
    count++;
    if (a === b) identical++;
    else
      ulps = Math.max(ulps, Math.abs(a - b) / ulp(Math.max(Math.abs(a), Math.abs(b)), precision));
  }
  return { identical: identical / count, ulps };
}

describe.each(['bf16', 'fp16'] as const)(
  'in %s, against PyTorch on the same Q, K, V',
  (precision) => {
    const given = {
      query: tensor(`${precision}.q`),
      key: tensor(`${precision}.k`),
      value: tensor(`${precision}.v`),
      batch,
      scale: 0.25,
    };
    const against = async (
      name: Exclude<ImplementationName, 'original'>,
      expected: string,
      settings: Partial<AttentionSettings> = {},
    ): Promise<Agreement> => {
      const output = await attend(name, {
        ...given,
        settings: { precision, scoresPrecision: precision, ...settings },
      });
      return agreement(
        output,
        tensor(`${precision}.${expected}`),
        precision,
        (token) => batch.kinds[token] === 'valid',
      );
    };

    it.each<[Exclude<ImplementationName, 'original'>, string, Partial<AttentionSettings>]>([
      ['eager', 'eager', {}],
      ['sdpa', 'sdpa', {}],
      ['flash', 'flash.block16', { flashBlock: 16 }],
      ['flash', 'flash.block64', { flashBlock: 64 }],
    ])(
      '%s is %s to the bit on 99 of 100 elements, and one ulp off on the rest',
      async (name, expected, settings) => {
        const { identical, ulps } = await against(name, expected, settings);
        expect(identical).toBeGreaterThanOrEqual(0.99);
        expect(ulps).toBeLessThanOrEqual(1);
      },
    );
  },
);
