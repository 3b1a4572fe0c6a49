import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findLibraries, isNvidia } from '../cuda/installed.js';
import { systemLoader } from '../cuda/loader.js';
import { PROVIDER_LIBRARIES } from '../cuda/providerFiles.js';
import type { CudaCheck, CudaLack, Gpu, LibraryCheck, ProviderCheck } from '../doctorTypes.js';
import { bindingFolder } from '../runners/providers.js';
import { findGpus } from './machine.js';

/** The first version of NVIDIA's driver, by the major version of CUDA that it can run. */
const OLDEST_DRIVER: Readonly<Record<number, number>> = { 11: 450, 12: 525, 13: 580 };

/** The CUDA provider's own libraries, and what they need. */
async function libraryChecks(): Promise<LibraryCheck[]> {
  const { libraries } = await findLibraries('cuda');
  const own = PROVIDER_LIBRARIES.map((name): LibraryCheck => {
    const path = join(bindingFolder(), name);
    const isThere = existsSync(path);
    return {
      name,
      path: isThere ? path : null,
      origin: isThere ? 'onnxruntime-node' : null,
      neededBy: null,
      isRequired: true,
    };
  });
  return [...own, ...libraries];
}

/** What the CUDA provider lacks on this machine, and its libraries. */
export interface CudaDiagnosis {
  cuda: CudaCheck;
  libraries: LibraryCheck[];
}

/**
 * Finds out what the CUDA provider lacks.
 *
 * @param check what became of a node that it was given
 * @param gpus as found before; null for a search
 * @returns null where the platform has no CUDA
 */
export async function diagnoseCuda(
  check: CudaFacts['check'],
  gpus: readonly Gpu[] | null,
): Promise<CudaDiagnosis | null> {
  if (!isNvidia('cuda')) return null;
  const [libraries, { cudaVersion: version }, loader, cards] = await Promise.all([
    libraryChecks(),
    findLibraries('cuda'),
    systemLoader(),
    gpus ?? findGpus(),
  ]);
  const hasDriver = loader.find('libcuda.so.1') !== null;
  const facts = { check, gpus: cards ?? [], libraries, hasDriver };
  const lacks = cudaLack(facts, version, process.env['CUDA_VISIBLE_DEVICES']);
  return { cuda: { lacks, version }, libraries };
}

export interface CudaFacts {
  check: Pick<ProviderCheck, 'status' | 'problem'>;
  gpus: readonly Gpu[];
  libraries: readonly LibraryCheck[];
  /** Whether the loader finds the driver's library. */
  hasDriver: boolean;
}

/**
 * The first thing that CUDA lacks, from the card upwards: without a card no library helps.
 *
 * @param version of CUDA that the provider's library needs; null where it is not installed
 * @param visible the value of CUDA_VISIBLE_DEVICES
 */
export function cudaLack(
  { check, gpus, libraries, hasDriver }: CudaFacts,
  version: number | null,
  visible: string | undefined,
): CudaLack | null {
  if (check.status === 'works') return null;
  const cards = gpus.filter(({ source }) => source === 'nvidia-smi');
  const problem = check.problem ?? '';
  if (cards.length === 0 && !hasDriver) {
    return gpus.some(({ name }) => name.startsWith('10de:')) ? 'driver' : 'device';
  }
  if (visible !== undefined && /^(|-1)$/.test(visible.trim())) return 'device-hidden';
  const missing = libraries.filter(({ path, isRequired }) => isRequired && path === null);
  if (missing.some(({ neededBy }) => neededBy === null)) return 'provider';
  // cudaErrorInsufficientDriver.
  if (isTooOld(cards, version) || /CUDA failure 35\b/.test(problem)) {
    // Where there is a driver's library, but nothing that it drives, this error stands for both.
    return cards.length === 0 ? 'device' : 'driver-too-old';
  }
  if (missing.some(({ name }) => name.startsWith('libcuda.'))) return 'driver';
  if (missing.length > 0) return 'libraries';
  // cudaErrorNoDevice.
  return /CUDA failure 100\b/.test(problem) ? 'device' : 'unknown';
}

function isTooOld(cards: readonly Gpu[], version: number | null): boolean {
  const oldest = OLDEST_DRIVER[version ?? 0];
  return cards.some(
    ({ driver }) => oldest !== undefined && Number.parseInt(driver ?? '', 10) < oldest,
  );
}
