import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import type { Gpu, Machine, Vulkan } from '../doctorTypes.js';
import { findLibraries, isNvidia } from '../cuda/installed.js';
import { pathsOf, type Loader } from '../cuda/loader.js';
import type { NeededLibrary } from '../cuda/search.js';
import { entriesIn } from '../files/entries.js';
import { programOutput } from '../programOutput.js';
import type { EnvironmentInfo, ProviderName } from '../types.js';
import { describeHost } from './describe.js';
import { gpuInUse, parseDrmCard, parseNvidiaSmi, parseVulkanDriver } from './machineText.js';

const DRM = '/sys/class/drm';
const VULKAN_FOLDERS = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'];
/** The PCI vendor of the cards that nvidia-smi tells of. */
const NVIDIA = '10de:';

/** Versions, processor and memory. */
export function describeMachine(): Machine {
  // In a container, less than the machine has; 0 or undefined where nothing limits it.
  const limit = process.constrainedMemory() || Infinity;
  return {
    ...describeHost(),
    cores: cpus().length || availableParallelism(),
    memoryBytes: Math.min(totalmem(), limit),
  };
}

/** Versions, processor and, where one of these execution providers runs on a GPU, which GPU that is and whose libraries it runs with. */
export async function describeEnvironment(
  providers: readonly ProviderName[],
): Promise<EnvironmentInfo> {
  const host = { ...describeHost(), gpu: null, cudaLibraries: null };
  if (providers.every((provider) => provider === 'cpu')) return host;
  const nvidia = providers.find(isNvidia);
  const drivers = findVulkan({ find: () => null })?.drivers ?? null;
  return {
    ...host,
    gpu: gpuInUse(providers, await findGpus(), drivers),
    cudaLibraries:
      nvidia === undefined ? null : foldersText((await findLibraries(nvidia)).libraries),
  };
}

/** `libcublas.so.13, libcudart.so.13 in /usr/local/cuda/lib64; …`; null where there are none. */
function foldersText(libraries: readonly NeededLibrary[]): string | null {
  const byFolder = new Map<string, string[]>();
  for (const { name, path } of libraries) {
    if (path === null) continue;
    byFolder.set(dirname(path), [...(byFolder.get(dirname(path)) ?? []), name]);
  }
  return (
    [...byFolder].map(([folder, names]) => `${names.join(', ')} in ${folder}`).join('; ') || null
  );
}

/**
 * The GPUs that nvidia-smi and, on Linux, the kernel tell of.
 *
 * @returns null where neither can be asked
 */
export async function findGpus(): Promise<Gpu[] | null> {
  const printed = await programOutput('nvidia-smi', [
    '--query-gpu=name,driver_version,memory.total',
    '--format=csv,noheader',
  ]);
  const nvidia = parseNvidiaSmi(printed ?? '');
  if (process.platform !== 'linux') return nvidia.length > 0 ? nvidia : null;
  const others = drmCards().filter(({ name }) => nvidia.length === 0 || !name.startsWith(NVIDIA));
  return [...nvidia, ...others];
}

function drmCards(): Gpu[] {
  // Besides the cards themselves their sockets (card0-HDMI-A-1) are listed.
  return entriesIn(DRM)
    .filter((name) => /^card\d+$/.test(name))
    .map((card) => {
      const [vendor, device, uevent] = ['vendor', 'device', 'uevent'].map((file) =>
        content(join(DRM, card, 'device', file)),
      );
      return parseDrmCard(card, {
        vendor: vendor ?? null,
        device: device ?? null,
        uevent: uevent ?? null,
      });
    });
}

/** The loader of Vulkan, and the drivers that it would load. Null where WebGPU does without. */
export function findVulkan(loader: Pick<Loader, 'find'>): Vulkan | null {
  if (process.platform !== 'linux') return null;
  const files = [pathsOf('VK_DRIVER_FILES'), pathsOf('VK_ICD_FILENAMES'), VULKAN_FOLDERS].find(
    (paths) => paths.length > 0,
  )!;
  const manifests = files
    .flatMap((file) =>
      existsSync(file) && !file.endsWith('.json')
        ? entriesIn(file).map((name) => join(file, name))
        : [file],
    )
    .filter((file) => file.endsWith('.json'));
  return {
    loader: loader.find('libvulkan.so.1'),
    drivers: manifests.map((file) => parseVulkanDriver(file, content(file))),
  };
}

function content(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
