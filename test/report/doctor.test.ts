import { describe, expect, it } from 'vitest';
import type { CudaLack, Diagnosis, LibraryCheck } from '../../src/doctorTypes.js';
import { doctorSchema } from '../../src/report/doctorSchema.js';
import { doctorJson, doctorText } from '../../src/report/index.js';
import { displayWidth } from '../../src/report/text/width.js';
import { sampleDiagnosis } from './doctorSample.js';

const plain = { width: 120, color: false };

describe('doctorText', () => {
  it.each([60, 80, 120])('fits %i columns', (width) => {
    for (const color of [false, true]) {
      for (const line of doctorText(sampleDiagnosis(), { width, color }).split('\n'))
        expect(displayWidth(line)).toBeLessThanOrEqual(width);
    }
  });

  it.each([80, 120])('is what a reader has approved of, at %i columns', async (width) => {
    await expect(doctorText(sampleDiagnosis(), { width, color: false })).toMatchFileSnapshot(
      `golden/doctor-${width}.txt`,
    );
  });

  it('says nothing of what the platform does not have', () => {
    const text = doctorText(
      { ...sampleDiagnosis(), gpus: null, vulkan: null, libraries: [], implementations: [] },
      plain,
    );
    for (const title of ['GPUs', 'Libraries', 'Implementations', 'Kernels'])
      expect(text).not.toContain(title);
  });

  it('says that there is no GPU, loader or driver', () => {
    const text = doctorText(
      { ...sampleDiagnosis(), gpus: [], vulkan: { loader: null, drivers: [] } },
      plain,
    );
    expect(text).toMatch(/^GPU +none found/m);
    expect(text).toContain('libvulkan.so.1 is not found');
    expect(text).toContain('no driver found');
  });

  const lacking = (
    lacks: CudaLack | null,
    version: number | null,
    names: readonly string[],
  ): string => {
    const libraries = names.map((name): LibraryCheck => ({
      name,
      path: null,
      origin: null,
      neededBy: name.includes('onnxruntime') ? null : 'x.so',
      isRequired: true,
    }));
    const cuda = {
      name: 'cuda' as const,
      status: 'missing' as const,
      bundled: false,
      ran: [],
      problem: null,
    } satisfies Diagnosis['providers'][number];
    const text = doctorText(
      { ...sampleDiagnosis(), providers: [cuda], cuda: { lacks, version }, libraries },
      plain,
    );
    return text.replaceAll(/\n {2,}/g, ' ');
  };

  it.each([
    ['device', 13, /docker run --gpus all/],
    ['device-hidden', 13, /unset CUDA_VISIBLE_DEVICES/],
    ['driver', 13, /install NVIDIA's driver/],
    ['provider', null, /attn-diff setup cuda/],
    ['driver-too-old', 13, /too old for CUDA 13: .*ONNXRUNTIME_NODE_INSTALL=cuda12/],
    ['driver-too-old', 12, /too old for CUDA 12: update it$/m],
    ['unknown', 13, /attn-diff setup cuda/],
  ] as const)('says what helps where %s is what CUDA %s lacks', (lacks, version, helps) => {
    expect(lacking(lacks, version, [])).toMatch(helps);
  });

  it('names the packages that bring the libraries that are missing, each in its version', () => {
    const cuda13 = ['libcublasLt.so.13', 'libcublas.so.13', 'libcurand.so.10', 'libcudart.so.13'];
    expect(lacking('libraries', 13, cuda13)).toContain(
      'pip install "nvidia-cublas==13.*" "nvidia-curand==10.*" "nvidia-cuda-runtime==13.*"\n',
    );
    expect(lacking('libraries', 12, ['libcudart.so.12', 'libcudnn.so.9'])).toContain(
      'pip install nvidia-cuda-runtime-cu12 nvidia-cudnn-cu12\n',
    );
    expect(lacking('libraries', 13, ['libstdc++.so.6'])).toContain(
      'install libstdc++.so.6, or name the folder in LD_LIBRARY_PATH',
    );
    expect(lacking('provider', null, ['libonnxruntime_providers_cuda.so'])).toMatch(
      /^✗ +libonnxruntime_providers_cuda\.so is not found: attn-diff setup cuda$/m,
    );
  });
});

describe('doctorJson', () => {
  it('is a document of its schema, with remedies for what is missing only', () => {
    const { providers, libraries } = doctorSchema.parse(JSON.parse(doctorJson(sampleDiagnosis())));
    expect(providers.filter(({ remedy }) => remedy !== null).map(({ name }) => name)).toEqual([
      'webgpu',
      'tensorrt',
    ]);
    expect(libraries.map(({ path, remedy }) => (path === null) === (remedy !== null))).toEqual(
      libraries.map(() => true),
    );
  });

  it('has the keys in the order of the schema', () => {
    const { libraries, ...rest } = sampleDiagnosis();
    expect(doctorJson({ libraries, ...rest })).toBe(doctorJson(sampleDiagnosis()));
  });

  it('is refused by its schema where it has more or less', () => {
    const document = JSON.parse(doctorJson(sampleDiagnosis())) as Record<string, unknown>;
    expect(doctorSchema.safeParse({ ...document, more: 1 }).success).toBe(false);
    const { gpus: _, ...less } = document;
    expect(doctorSchema.safeParse(less).success).toBe(false);
  });
});
