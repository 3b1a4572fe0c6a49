import { describe, expect, it } from 'vitest';
import {
  environmentOf,
  isEmulated,
  kernelOf,
  kernelsOf,
  providerObstacle,
} from '../../src/attention/kernels.js';
import { IMPLEMENTATIONS, PROVIDERS } from '../../src/types.js';

describe('kernels by provider', () => {
  it('the CPU’s usual kernel leaves the environment to the caller; one that is named does not', () => {
    expect(environmentOf('flash', { provider: 'cpu', kernel: null })).toEqual({});
    expect(environmentOf('flash', { provider: 'cpu', kernel: 'flash' })).toEqual({
      ORT_GQA_DISABLE_FLASH_ATTENTION: '0',
    });
    expect(environmentOf('flash', { provider: 'cpu', kernel: 'naive' })).toEqual({
      ORT_GQA_DISABLE_FLASH_ATTENTION: '1',
    });
  });

  it.each(['flash', 'efficient', 'cudnn', 'math'] as const)(
    'CUDA gets %s by turning off the others',
    (kernel) => {
      const environment = environmentOf('flash', { provider: 'cuda', kernel });
      const on = {
        flash: environment['ORT_DISABLE_FLASH_ATTENTION'] === '0',
        efficient: environment['ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION'] === '0',
        cudnn: environment['ORT_ENABLE_CUDNN_FLASH_ATTENTION'] === '1',
      };
      expect(on).toEqual({
        flash: kernel === 'flash',
        efficient: kernel === 'efficient',
        cudnn: kernel === 'cudnn',
      });
      expect(environment).toMatchObject({
        ORT_ENABLE_XQA: '0',
        ORT_ENABLE_ATTENTION_KERNEL_DEBUG_INFO: '1',
      });
    },
  );

  it('every kernel that CUDA is asked for by name must be the one that it says it took', () => {
    const kernels = (['sdpa', 'flash'] as const).flatMap((name) => kernelsOf('cuda', name));
    expect(kernels.filter(({ told }) => told === null).map(({ name }) => name)).toEqual([
      'attention',
      'mha',
    ]);
    expect(kernelOf('flash', { provider: 'cuda', kernel: 'varlen' })?.told).toEqual(
      /^FLASH_ATTENTION$/,
    );
  });

  it('flash unasked is the provider’s flash kernel, everywhere', () => {
    for (const provider of PROVIDERS)
      expect(kernelOf('flash', { provider, kernel: null })?.name).toBe('flash');
    expect(environmentOf('flash', { provider: 'cuda', kernel: null })).toEqual(
      environmentOf('flash', { provider: 'cuda', kernel: 'flash' }),
    );
  });

  it('each has its kernels once', () => {
    for (const provider of PROVIDERS) {
      for (const name of IMPLEMENTATIONS) {
        const names = kernelsOf(provider, name).map((kernel) => kernel.name);
        expect(new Set(names).size).toBe(names.length);
      }
    }
  });
});

describe('precisions by provider', () => {
  it('the CPU emulates, CUDA computes in both, WebGPU in fp16', () => {
    const emulated = PROVIDERS.map((provider) => [
      provider,
      isEmulated({ provider, precision: 'fp16' }),
      isEmulated({ provider, precision: 'bf16' }),
    ]);
    expect(emulated.slice(0, 3)).toEqual([
      ['cpu', true, true],
      ['webgpu', false, true],
      ['cuda', false, false],
    ]);
    for (const provider of PROVIDERS)
      expect(isEmulated({ provider, precision: 'fp32' })).toBe(false);
  });

  it('a GPU is not asked to emulate, nor CUDA’s flash to take fp32', () => {
    expect(
      providerObstacle('eager', { provider: 'webgpu', precision: 'bf16', kernel: null }),
    ).toMatch(/bf16.*eager@cpu/);
    expect(
      providerObstacle('flash', { provider: 'cuda', precision: 'fp32', kernel: null }),
    ).toMatch(/fp16 and bf16/);
    expect(
      providerObstacle('sdpa', { provider: 'cuda', precision: 'fp32', kernel: 'cudnn' }),
    ).toMatch(/fp16 and bf16/);
    expect(
      providerObstacle('sdpa', { provider: 'cuda', precision: 'bf16', kernel: 'cudnn' }),
    ).toBeNull();
    expect(
      providerObstacle('flash', { provider: 'webgpu', precision: 'fp32', kernel: 'varlen' }),
    ).toMatch(/fp16 and bf16/);
    expect(
      providerObstacle('eager', { provider: 'cpu', precision: 'bf16', kernel: null }),
    ).toBeNull();
    expect(
      providerObstacle('exact', { provider: 'webgpu', precision: 'bf16', kernel: null }),
    ).toBeNull();
  });
});
