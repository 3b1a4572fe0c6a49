import { describe, expect, it } from 'vitest';
import { buildBatch } from '../../src/batch/index.js';
import type { AttentionSettings, ImplementationName, TensorData } from '../../src/types.js';
import { attend, type Case } from '../support/attend.js';

/**
 * What GPUs compute in fp16 themselves is a graph of fp16 nodes. The CPU provider takes such graphs too, in part in
 * fp32, so that it shows whether they compute attention, though not how a GPU rounds.
 */
type Name = Exclude<ImplementationName, 'original' | 'exact'>;

const [ROWS, HEADS, KV, DIM] = [2, 4, 2, 16];
const batch = buildBatch({
  sequences: [
    Array.from({ length: 21 }, (_, i) => i + 1),
    Array.from({ length: 13 }, (_, i) => i + 1),
  ],
  padding: 'left',
  padTokenId: 0,
  length: null,
  source: 'test',
  name: 'left',
});

function wave(heads: number, phase: number): TensorData {
  const data = Float32Array.from(
    { length: ROWS * heads * batch.length * DIM },
    (_, i) => 2 * Math.sin(i * 12.9898 + phase),
  );
  return { type: 'float32', dims: [ROWS, heads, batch.length, DIM], data };
}

const given: Case = {
  query: wave(HEADS, 1),
  key: wave(KV, 2),
  value: wave(KV, 3),
  batch,
  scale: 0.25,
};

/** Relative L2 on valid tokens. */
function distance(a: TensorData, b: TensorData): number {
  let [delta, norm] = [0, 0];
  for (let i = 0; i < a.data.length; i++) {
    const row = Math.floor(i / DIM);
    if (
      batch.kinds[
        Math.floor(row / (HEADS * batch.length)) * batch.length + (row % batch.length)
      ] !== 'valid'
    )
      continue;
    delta += (Number(a.data[i]) - Number(b.data[i])) ** 2;
    norm += Number(b.data[i]) ** 2;
  }
  return Math.sqrt(delta / norm);
}

const CUDA = {
  provider: 'cuda',
  precision: 'fp16',
  scoresPrecision: 'fp16',
} satisfies Partial<AttentionSettings>;

describe('attention in fp16 nodes, as it is built for CUDA', () => {
  it.each([
    ['eager', {}],
    ['eager', { scoresPrecision: 'fp32' }],
    ['eager', { softmaxPrecision: 'fp16' }],
    ['sdpa', {}],
    ['sdpa', { maskForm: 'additive' }],
    ['sdpa', { kernel: 'efficient' }],
    ['sdpa', { kernel: 'efficient', maskForm: 'additive' }],
    ['sdpa', { kernel: 'cudnn' }],
    ['flash', {}],
  ] as [Name, Partial<AttentionSettings>][])(
    '%s %o is attention to within fp16',
    async (name, settings) => {
      const exact = await attend('exact', given);
      const output = await attend(name, { ...given, settings: { ...CUDA, ...settings } });
      expect(output.type).toBe('float32');
      expect(distance(output, exact)).toBeLessThan(2e-3);
      expect(distance(output, exact)).toBeGreaterThan(1e-6);
    },
  );
});

describe('sdpa in fp32', () => {
  it.each([
    ['of com.microsoft’s MultiHeadAttention', { kernel: 'mha' }],
    [
      'with keys padded to a multiple of 8, as CUDA’s memory-efficient kernel needs them',
      { provider: 'cuda', kernel: 'efficient' },
    ],
  ] as [string, Partial<AttentionSettings>][])('%s is attention', async (_, settings) => {
    expect(
      distance(await attend('sdpa', { ...given, settings }), await attend('exact', given)),
    ).toBeLessThan(1e-6);
  });

  it('MultiHeadAttention has a causal window and softcap-free scale like the others', async () => {
    const windowed = { ...given, window: 5 };
    expect(
      distance(
        await attend('sdpa', { ...windowed, settings: { kernel: 'mha' } }),
        await attend('exact', windowed),
      ),
    ).toBeLessThan(1e-6);
  });
});
