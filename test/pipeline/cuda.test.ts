import { describe, expect, it } from 'vitest';
import type { Gpu, LibraryCheck } from '../../src/doctorTypes.js';
import { cudaLack, type CudaFacts } from '../../src/pipeline/cuda.js';

const card = (driver: string | null): Gpu => ({
  name: 'NVIDIA Example',
  driver,
  memoryBytes: null,
  source: 'nvidia-smi',
});
const listed: Gpu = { name: '10de:2330', driver: null, memoryBytes: null, source: 'drm' };

const library = (name: string, neededBy: string | null, isThere = true): LibraryCheck => ({
  name,
  path: isThere ? `/lib/${name}` : null,
  origin: isThere ? 'loader' : null,
  neededBy,
  isRequired: name !== 'libcudnn.so.9',
});

const facts = (changes: Partial<CudaFacts>, missing: readonly string[] = []): CudaFacts => ({
  check: { status: 'missing', problem: 'it did not load' },
  gpus: [card('580.82.07')],
  libraries: [
    ['libonnxruntime_providers_cuda.so', null],
    ['libcublas.so.13', 'libonnxruntime_providers_cuda.so'],
    ['libcuda.so.1', 'libonnxruntime_providers_cuda.so'],
    ['libcudnn.so.9', 'libonnxruntime_providers_cuda.so'],
  ].map(([name, by]) => library(name!, by!, !missing.includes(name!))),
  hasDriver: true,
  ...changes,
});

describe('what CUDA lacks', () => {
  it.each([
    [
      'nothing where it works',
      facts({ check: { status: 'works', problem: null }, gpus: [], hasDriver: false }),
      13,
      undefined,
      null,
    ],
    [
      'the card first, whatever else is missing',
      facts({ gpus: [], hasDriver: false }, [
        'libonnxruntime_providers_cuda.so',
        'libcublas.so.13',
        'libcuda.so.1',
      ]),
      null,
      undefined,
      'device',
    ],
    [
      'the driver of a card that the kernel lists',
      facts({ gpus: [listed], hasDriver: false }, ['libcuda.so.1']),
      13,
      undefined,
      'driver',
    ],
    [
      "the driver's library where only nvidia-smi is there",
      facts({ hasDriver: false }, ['libcuda.so.1']),
      13,
      undefined,
      'driver',
    ],
    ['cards that are hidden', facts({}), 13, '', 'device-hidden'],
    ['cards that are hidden by a number', facts({}), 13, '-1', 'device-hidden'],
    [
      'the provider before the libraries that it needs',
      facts({}, ['libonnxruntime_providers_cuda.so', 'libcublas.so.13']),
      null,
      '0',
      'provider',
    ],
    [
      'a newer driver before libraries that it could not run',
      facts({ gpus: [card('550.54.15')] }, ['libcublas.so.13']),
      13,
      undefined,
      'driver-too-old',
    ],
    ['libraries', facts({}, ['libcublas.so.13']), 13, undefined, 'libraries'],
    [
      'a newer driver, by what CUDA says',
      facts({
        gpus: [card(null)],
        check: { status: 'missing', problem: 'CUDA failure 35: driver version is insufficient' },
      }),
      13,
      undefined,
      'driver-too-old',
    ],
    [
      "a card where the driver's library drives none",
      facts({
        gpus: [],
        check: { status: 'missing', problem: 'CUDA failure 35: driver version is insufficient' },
      }),
      13,
      undefined,
      'device',
    ],
    [
      'a card, by what CUDA says',
      facts({
        gpus: [],
        check: { status: 'missing', problem: 'CUDA failure 100: no CUDA-capable device' },
      }),
      13,
      undefined,
      'device',
    ],
    [
      'nothing known where only cuDNN is missing, which some kernels need',
      facts({}, ['libcudnn.so.9']),
      13,
      undefined,
      'unknown',
    ],
    [
      'nothing known with a driver that is new enough',
      facts({ gpus: [card('550.54.15')] }),
      12,
      undefined,
      'unknown',
    ],
  ] as const)('is %s', (_, given, version, visible, lack) => {
    expect(cudaLack(given, version, visible)).toBe(lack);
  });
});
