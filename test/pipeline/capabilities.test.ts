import { expect, it } from 'vitest';
import { capabilities } from '../../src/pipeline/capabilities.js';
import type { AttentionPrecision, ImplementationName, ProviderName } from '../../src/types.js';

const all = capabilities(['cpu', 'webgpu', 'cuda']);

function at(implementation: ImplementationName, provider: ProviderName, precision: AttentionPrecision): (typeof all)[number] {
  return all.find((each) => each.implementation === implementation && each.provider === provider && each.precision === precision)!;
}

it('says of every implementation, provider and precision how it runs, or why not', () => {
  expect(all).toHaveLength(3 * 3 * 3);
  for (const { kind, operators, reason } of all) {
    expect(reason === null).toBe(kind !== 'none');
    expect(operators.length > 0).toBe(kind !== 'none');
  }
});

it('on the CPU all is real in fp32 and emulated below', () => {
  for (const name of ['eager', 'sdpa', 'flash'] as const) {
    expect((['fp32', 'fp16', 'bf16'] as const).map((precision) => at(name, 'cpu', precision).kind)).toEqual(['real', 'emulated', 'emulated']);
  }
  expect(at('sdpa', 'cpu', 'fp32')).toMatchObject({ operators: ['Attention'], kernels: ['attention', 'mha'] });
  expect(at('flash', 'cpu', 'fp16').kernels).toEqual([]);
});

it('names what a GPU cannot do, and offers a kernel only at the precisions that it takes', () => {
  expect(at('eager', 'webgpu', 'bf16')).toMatchObject({ kind: 'none', reason: expect.stringContaining('eager@cpu') });
  expect(at('flash', 'cuda', 'fp32')).toMatchObject({ kind: 'none', reason: expect.stringContaining('fp16') });
  expect(at('flash', 'webgpu', 'fp32').kernels).toEqual(['flash']);
  expect(at('flash', 'webgpu', 'fp16').kernels).toEqual(['flash', 'varlen']);
  expect(at('flash', 'cuda', 'bf16')).toMatchObject({ kind: 'real', operators: ['GroupQueryAttention'] });
});

it('is nothing where no provider works', () => {
  expect(capabilities([])).toEqual([]);
});
