import type { AttentionSettings, ImplementationName, KernelName, ProviderName } from '../types.js';

/** A kernel that a provider has for an implementation. */
export interface Kernel {
  name: KernelName;
  /** Environment variables by which ONNX Runtime takes it; it reads them once in a process. */
  environment: Readonly<Record<string, string>>;
  /** The name by which the provider tells that it ran it: a shader of WebGPU, or `SdpaKernel=` of CUDA; null where it tells nothing. */
  told: RegExp | null;
}

type Kernels = Readonly<Partial<Record<ImplementationName, readonly Kernel[]>>>;

const kernel = (
  name: KernelName,
  environment: Kernel['environment'] = {},
  told: Kernel['told'] = null,
): Kernel => ({ name, environment, told });

const ONE_BY_ONE = {
  ORT_ENABLE_XQA: '0',
  ORT_ENABLE_CUDNN_FLASH_ATTENTION: '0',
  ORT_DISABLE_FLASH_ATTENTION: '1',
  ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION: '1',
};

/** CUDA tries its kernels in a fixed order; each is had by turning off those before it. */
const CUDA = {
  flash: kernel('flash', { ...ONE_BY_ONE, ORT_DISABLE_FLASH_ATTENTION: '0' }, /^FLASH_ATTENTION$/),
  efficient: kernel(
    'efficient',
    { ...ONE_BY_ONE, ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION: '0' },
    /^EFFICIENT_ATTENTION$/,
  ),
  cudnn: kernel(
    'cudnn',
    { ...ONE_BY_ONE, ORT_ENABLE_CUDNN_FLASH_ATTENTION: '1' },
    /^CUDNN_FLASH_ATTENTION$/,
  ),
  math: kernel('math', ONE_BY_ONE, /^MATH$/),
};

/** By provider and implementation, the one that is taken unasked first. */
const BY_PROVIDER: Readonly<Record<ProviderName, Kernels>> = {
  cpu: {
    sdpa: [kernel('attention'), kernel('mha')],
    flash: [
      kernel('flash', { ORT_GQA_DISABLE_FLASH_ATTENTION: '0' }),
      kernel('naive', { ORT_GQA_DISABLE_FLASH_ATTENTION: '1' }),
    ],
  },
  webgpu: {
    sdpa: [kernel('attention'), kernel('mha')],
    flash: [kernel('flash', {}, /^FlashAttention/), kernel('varlen', {}, /^FlashAttentionPaged/)],
  },
  cuda: {
    sdpa: [kernel('attention'), kernel('mha'), CUDA.efficient, CUDA.cudnn, CUDA.math],
    flash: [
      CUDA.flash,
      CUDA.efficient,
      CUDA.cudnn,
      CUDA.math,
      kernel('varlen', CUDA.flash.environment, CUDA.flash.told),
    ],
  },
  tensorrt: { sdpa: [kernel('attention'), kernel('mha')], flash: [kernel('flash')] },
  coreml: { sdpa: [kernel('attention'), kernel('mha')], flash: [kernel('flash')] },
  dml: { sdpa: [kernel('attention'), kernel('mha')], flash: [kernel('flash')] },
};

/** The kernels that can be asked for by name, the usual one first; empty where there is nothing to choose. */
export function kernelsOf(provider: ProviderName, name: ImplementationName): readonly Kernel[] {
  return BY_PROVIDER[provider][name] ?? [];
}

/** The kernel that a stream asks for; null where its implementation is no one kernel. */
export function kernelOf(
  name: ImplementationName,
  { provider, kernel: asked }: Pick<AttentionSettings, 'provider' | 'kernel'>,
): Kernel | null {
  const kernels = kernelsOf(provider, name);
  return (
    (asked === null ? kernels[0] : kernels.find((candidate) => candidate.name === asked)) ?? null
  );
}

/**
 * Environment variables of the process that runs a stream. The CPU's usual kernel sets none, so that what the caller
 * has set decides, and is told in the report.
 */
export function environmentOf(
  name: ImplementationName,
  settings: Pick<AttentionSettings, 'provider' | 'kernel'>,
): Readonly<Record<string, string>> {
  const { provider } = settings;
  const own =
    provider === 'cpu' && settings.kernel === null
      ? {}
      : (kernelOf(name, settings)?.environment ?? {});
  return provider === 'cuda' ? { ...own, ORT_ENABLE_ATTENTION_KERNEL_DEBUG_INFO: '1' } : own;
}

/** Precisions below fp32 that a provider computes attention in itself; the CPU provider runs fp16 in fp32 without a word. */
const NATIVE: Readonly<Partial<Record<ProviderName, readonly AttentionSettings['precision'][]>>> = {
  webgpu: ['fp16'],
  cuda: ['fp16', 'bf16'],
};

/** Whether a provider has kernels in bfloat16. */
export function hasBfloat16(provider: ProviderName): boolean {
  return (NATIVE[provider] ?? []).includes('bf16');
}

/** Whether a precision is emulated by explicit rounding. */
export function isEmulated({
  provider,
  precision,
}: Pick<AttentionSettings, 'provider' | 'precision'>): boolean {
  return precision !== 'fp32' && !(NATIVE[provider] ?? []).includes(precision);
}

/** Why a provider cannot run an implementation at its precision; null where it can. */
export function providerObstacle(
  name: ImplementationName,
  {
    provider,
    precision,
    kernel: asked,
  }: Pick<AttentionSettings, 'provider' | 'precision' | 'kernel'>,
): string | null {
  if (name === 'original' || name === 'exact' || provider === 'cpu') return null;
  if (isEmulated({ provider, precision }))
    return `${provider} has no ${precision} that attention can run in; the CPU emulates it (${name}@cpu)`;
  if (asked === 'varlen' && precision === 'fp32')
    return `PagedAttention, the operator of kernel=varlen, takes fp16 and bf16 only: give --precision fp16, or flash@${provider}:kernel=varlen:precision=fp16`;
  if (provider === 'cuda' && asked === 'cudnn' && precision === 'fp32') {
    const instead = `${name}@cuda:kernel=cudnn:precision=fp16`;
    return `cuDNN's attention takes fp16 and bf16 only: give --precision fp16 or bf16, or ${instead}`;
  }
  if (provider === 'cuda' && name === 'flash' && precision === 'fp32')
    return "CUDA's flash kernels take fp16 and bf16 only: give --precision fp16 or bf16, or flash@cuda:precision=fp16";
  return null;
}
