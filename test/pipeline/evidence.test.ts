import { describe, expect, it } from 'vitest';
import type { AttentionSite } from '../../src/attention/site.js';
import { streamOf } from '../../src/attention/settings.js';
import { implementationInfos, unseen } from '../../src/pipeline/evidence.js';
import { toldKernels } from '../../src/pipeline/toldKernels.js';
import type { ExecutedNode } from '../../src/runners/types.js';
import type { AttentionSettings, ImplementationInfo, ImplementationName } from '../../src/types.js';

const FP32 = { precision: 'fp32', emulated: false } as const;
const sites = [0, 1].map((layer) => ({ layer, compute: [{ name: `own${layer}`, opType: 'Attention' }] }) as unknown as AttentionSite);

function infoOf(name: ImplementationName, settings: Partial<AttentionSettings>, nodes: { opType: string; provider: string; programs?: string[] }[], printed = ''): ImplementationInfo {
  const executed: ExecutedNode[] = sites.flatMap(({ layer }) => nodes.map(({ programs = [], ...node }) => ({ ...node, programs, name: name === 'original' ? `own${layer}` : `attn_diff/layer${layer}/${name}/${node.opType}` })));
  return implementationInfos([streamOf(name, settings)], sites, { executed, printed: printed.replaceAll('NODE', (_, at: number) => `attn_diff/layer${at < printed.length / 2 ? 0 : 1}/${name}/GroupQueryAttention`) }, FP32)[0]!;
}

const gqa = (provider: string, ...programs: string[]): { opType: string; provider: string; programs: string[] } => ({ opType: 'GroupQueryAttention', provider, programs });

it('what was asked for is the same whether or not it ran', () => {
  for (const [name, settings] of [['flash', { provider: 'webgpu' }], ['sdpa', { kernel: 'mha' }], ['eager', { precision: 'bf16' }], ['original', {}]] as const) {
    const { asked, precision, emulated } = infoOf(name, settings, []);
    expect(unseen(streamOf(name, settings), FP32)).toMatchObject({ asked, precision, emulated });
  }
  expect(unseen(streamOf('flash', { provider: 'webgpu' }), FP32).asked).toEqual({ provider: 'webgpu', kernel: 'flash' });
});

describe('what shows that a kernel ran', () => {
  it('on the CPU is the profile', () => {
    expect(infoOf('sdpa', {}, [{ opType: 'Attention', provider: 'CPUExecutionProvider' }])).toMatchObject({ kernel: 'Attention', provider: 'cpu', asked: { provider: 'cpu', kernel: 'attention' }, proof: 'confirmed', reason: null, evidence: 'profile: 2 nodes on cpu' });
  });

  it('on WebGPU is the shader, whatever copies the cache for it', () => {
    const webgpu = { provider: 'webgpu' } as const;
    expect(infoOf('flash', webgpu, [gqa('WebGpuExecutionProvider', 'CopyKVCache', 'FlashAttention')])).toMatchObject({ kernel: 'GroupQueryAttention (FlashAttention)', provider: 'webgpu', proof: 'confirmed' });
    expect(infoOf('flash', webgpu, [gqa('WebGpuExecutionProvider', 'AttentionProbs', 'InPlaceSoftmax', 'VxAttentionScore')])).toMatchObject({ proof: 'fallback', reason: 'other-kernel' });
    // One batch of several may take another kernel.
    expect(infoOf('flash', webgpu, [gqa('WebGpuExecutionProvider', 'FlashAttention', 'AttentionProbs')])).toMatchObject({ proof: 'fallback', reason: 'other-kernel' });
    expect(infoOf('flash', webgpu, [gqa('WebGpuExecutionProvider')])).toMatchObject({ proof: 'not-provable', reason: 'not-told' });
    expect(infoOf('flash', webgpu, [gqa('CPUExecutionProvider')])).toMatchObject({ provider: 'cpu', proof: 'fallback', reason: 'other-provider' });
  });

  it('on CUDA is what the operator prints', () => {
    const cuda = { provider: 'cuda', precision: 'fp16' } as const;
    const line = (kernel: string): string => `\u001B[36mOperator=GroupQueryAttention Node=NODE DataType=fp16 SdpaKernel=${kernel}\u001B[0m\n`.repeat(2);
    const nodes = [gqa('CUDAExecutionProvider')];
    expect(infoOf('flash', cuda, nodes, line('FLASH_ATTENTION'))).toMatchObject({ kernel: 'GroupQueryAttention (FLASH_ATTENTION)', proof: 'confirmed' });
    expect(infoOf('flash', cuda, nodes, line('MATH'))).toMatchObject({ kernel: 'GroupQueryAttention (MATH)', proof: 'fallback', reason: 'other-kernel' });
    expect(infoOf('flash', { ...cuda, kernel: 'math' }, nodes, line('MATH'))).toMatchObject({ asked: { kernel: 'math' }, proof: 'confirmed' });
    expect(infoOf('flash', { ...cuda, kernel: 'cudnn' }, nodes, line('FLASH_ATTENTION'))).toMatchObject({ proof: 'fallback', reason: 'other-kernel' });
    expect(infoOf('flash', cuda, nodes)).toMatchObject({ proof: 'not-provable', reason: 'not-told' });
  });

  it('is none where the profile lacks a layer', () => {
    expect(implementationInfos([streamOf('flash')], sites, { executed: [{ ...gqa('CPUExecutionProvider'), name: 'attn_diff/layer0/flash/GroupQueryAttention' }], printed: '' }, FP32)[0]).toMatchObject({ proof: 'not-provable', reason: 'no-profile' });
  });

  it('holds exact to the CPU, and the file’s own nodes to the provider asked for', () => {
    expect(infoOf('exact', { provider: 'webgpu' }, [{ opType: 'MatMul', provider: 'CPUExecutionProvider' }])).toMatchObject({ proof: 'confirmed' });
    expect(infoOf('original', { provider: 'webgpu' }, [{ opType: 'Attention', provider: 'CPUExecutionProvider' }])).toMatchObject({ proof: 'fallback', reason: 'other-provider' });
  });

  it('does not take the local copies for the stream’s own nodes', () => {
    const executed = sites.map(({ layer }) => ({ ...gqa('CPUExecutionProvider'), name: `attn_diff/layer${layer}/flash/local/GroupQueryAttention` }));
    expect(implementationInfos([streamOf('flash')], sites, { executed, printed: '' }, FP32)[0]).toMatchObject({ kernel: 'unknown', proof: 'not-provable' });
  });
});

describe('toldKernels', () => {
  it('reads the lines among others, colour codes or not', () => {
    const printed = 'AttentionKernelOptions: FLASH_ATTENTION=1 MATH=1\n\u001B[36mOperator=Attention Node=a/b DataType=bf16 SdpaKernel=CUDNN_FLASH_ATTENTION\u001B[0m\nOperator=GroupQueryAttention Node=c DataType=fp16 SdpaKernel=MATH\nOperator=GroupQueryAttention DataType=fp16 SdpaKernel=MATH\n';
    expect([...toldKernels(printed)]).toEqual([['a/b', new Set(['CUDNN_FLASH_ATTENTION'])], ['c', new Set(['MATH'])]]);
    expect([...toldKernels(`${printed}Operator=Attention Node=c DataType=fp16 SdpaKernel=FLASH_ATTENTION\n`)][1]).toEqual(['c', new Set(['MATH', 'FLASH_ATTENTION'])]);
    expect([...toldKernels('')]).toEqual([]);
  });
});
