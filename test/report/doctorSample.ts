import { DOCTOR_SCHEMA, type Capability, type Diagnosis } from '../../src/doctorTypes.js';
import type { ProviderName } from '../../src/types.js';

const GIB = 2 ** 30;
const NEEDED = { neededBy: 'libonnxruntime_providers_cuda.so', isRequired: true };

/** A machine made by hand: every status of a provider, and every kind of capability. */
export function sampleDiagnosis(): Diagnosis {
  return {
    schema: DOCTOR_SCHEMA,
    machine: {
      attnDiff: '0.1.0',
      node: '20.19.0',
      onnxruntime: '1.30.0',
      platform: 'linux',
      arch: 'x64',
      cpu: 'Some Processor 9000',
      cores: 16,
      memoryBytes: 63.5 * GIB,
    },
    providers: [
      {
        name: 'cpu',
        status: 'works',
        bundled: true,
        ran: [{ operator: 'MatMul', provider: 'cpu', types: ['fp32'] }],
        problem: null,
      },
      {
        name: 'webgpu',
        status: 'falls-back',
        bundled: true,
        ran: [{ operator: 'MatMul', provider: 'cpu', types: ['fp32'] }],
        problem: null,
      },
      {
        name: 'cuda',
        status: 'works',
        bundled: false,
        ran: [{ operator: 'MatMul', provider: 'cuda', types: ['fp32'] }],
        problem: null,
      },
      {
        name: 'tensorrt',
        status: 'missing',
        bundled: false,
        ran: [],
        problem: 'Failed to load shared library',
      },
      {
        name: 'coreml',
        status: 'fails',
        bundled: true,
        ran: [],
        problem: 'its process died (SIGSEGV)',
      },
      { name: 'dml', status: 'not-on-platform', bundled: null, ran: [], problem: null },
    ],
    gpus: [
      {
        name: 'NVIDIA Example 80GB',
        driver: '550.54.15',
        memoryBytes: 79.5 * GIB,
        source: 'nvidia-smi',
      },
      { name: '1a03:2000', driver: 'ast', memoryBytes: null, source: 'drm' },
    ],
    vulkan: {
      loader: '/lib/x86_64-linux-gnu/libvulkan.so.1',
      drivers: [
        { file: '/usr/share/vulkan/icd.d/nvidia_icd.json', library: 'libGLX_nvidia.so.0' },
        { file: '/etc/vulkan/icd.d/broken.json', library: null },
      ],
    },
    cuda: { lacks: null, version: 12 },
    libraries: [
      {
        name: 'libonnxruntime_providers_shared.so',
        path: null,
        origin: null,
        neededBy: null,
        isRequired: true,
      },
      {
        name: 'libonnxruntime_providers_cuda.so',
        path: '/project/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so',
        origin: 'onnxruntime-node',
        neededBy: null,
        isRequired: true,
      },
      {
        name: 'libcudart.so.12',
        path: '/usr/local/cuda/lib64/libcudart.so.12',
        origin: 'loader',
        ...NEEDED,
      },
      {
        name: 'libcublas.so.12',
        path: '/venv/lib/python3.11/site-packages/nvidia/cublas/lib/libcublas.so.12',
        origin: 'python3: /venv/lib/python3.11/site-packages',
        ...NEEDED,
      },
      { name: 'libcurand.so.10', path: null, origin: null, ...NEEDED },
      { name: 'libcuda.so.1', path: null, origin: null, ...NEEDED },
      { name: 'libcudnn.so.9', path: null, origin: null, ...NEEDED, isRequired: false },
    ],
    implementations: [
      ...threePrecisions(
        'eager',
        'cpu',
        ['real', 'emulated', 'emulated'],
        ['MatMul', 'Softmax'],
        [],
      ),
      ...threePrecisions('eager', 'cuda', ['real', 'real', 'real'], ['MatMul', 'Softmax'], []),
      ...threePrecisions(
        'sdpa',
        'cpu',
        ['real', 'emulated', 'emulated'],
        ['Attention'],
        ['attention', 'mha'],
      ),
      ...threePrecisions(
        'sdpa',
        'cuda',
        ['real', 'real', 'real'],
        ['Attention'],
        ['attention', 'mha', 'efficient'],
      ),
      ...threePrecisions(
        'flash',
        'cpu',
        ['real', 'emulated', 'emulated'],
        ['GroupQueryAttention'],
        ['flash', 'naive'],
      ),
      ...threePrecisions(
        'flash',
        'cuda',
        ['none', 'real', 'real'],
        ['GroupQueryAttention'],
        ['flash', 'math'],
      ),
    ].map((each) =>
      each.implementation === 'sdpa' && each.provider === 'cuda' && each.precision === 'fp32'
        ? { ...each, kernels: ['attention', 'mha'] }
        : each,
    ),
  };
}

function threePrecisions(
  implementation: Capability['implementation'],
  provider: ProviderName,
  kinds: readonly Capability['kind'][],
  operators: string[],
  kernels: Capability['kernels'],
): Capability[] {
  return (['fp32', 'fp16', 'bf16'] as const).map((precision, i) => {
    const kind = kinds[i]!;
    const place = { implementation, provider, precision, kind };
    if (kind === 'none')
      return {
        ...place,
        operators: [],
        kernels: [],
        reason: `${implementation} on ${provider} takes no ${precision}: give --precision fp16`,
      };
    return { ...place, operators, kernels: kind === 'real' ? kernels : [], reason: null };
  });
}
