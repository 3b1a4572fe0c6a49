import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { CUDA_LIBRARIES, type Gpu, type LibraryCheck, type Machine, type Vulkan } from '../doctorTypes.js';
import { bindingFolder } from '../runners/providers.js';
import type { EnvironmentInfo, ProviderName } from '../types.js';
import { describeHost } from './describe.js';
import { gpuInUse, parseDrmCard, parseLdconfig, parseNvidiaSmi, parseVulkanDriver } from './machineText.js';

/** Milliseconds that a program may take to tell of the machine; nvidia-smi hangs where its driver does. */
const PATIENCE = 10_000;

const DRM = '/sys/class/drm';
const VULKAN_FOLDERS = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'];
/** Where the loader looks when its cache has nothing, or where there is no cache. */
const LIBRARY_FOLDERS = ['/lib64', '/usr/lib64', '/lib', '/usr/lib'];
/** ldconfig lies where a user's PATH seldom leads. */
const SYSTEM_PATH = '/sbin:/usr/sbin';

/** The PCI vendor of the cards that nvidia-smi tells of. */
const NVIDIA = '10de:';

/** Where the loader finds a library; null where it does not. */
export type FindLibrary = (name: string) => string | null;

/** Versions, processor and memory. */
export function describeMachine(): Machine {
  // In a container, less than the machine has; 0 or undefined where nothing limits it.
  const limit = process.constrainedMemory() || Infinity;
  return { ...describeHost(), cores: cpus().length || availableParallelism(), memoryBytes: Math.min(totalmem(), limit) };
}

/** Versions, processor and, where one of these execution providers runs on a GPU, which GPU that is. */
export async function describeEnvironment(providers: readonly ProviderName[]): Promise<EnvironmentInfo> {
  const isOnGpu = providers.some((provider) => provider !== 'cpu');
  return { ...describeHost(), gpu: isOnGpu ? gpuInUse(providers, await findGpus(), findVulkan(() => null)?.drivers ?? null) : null };
}

/**
 * The GPUs that nvidia-smi and, on Linux, the kernel tell of.
 *
 * @returns null where neither can be asked
 */
export async function findGpus(): Promise<Gpu[] | null> {
  const printed = await output('nvidia-smi', ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader']);
  const nvidia = parseNvidiaSmi(printed ?? '');
  if (process.platform !== 'linux') return nvidia.length > 0 ? nvidia : null;
  const others = drmCards().filter(({ name }) => nvidia.length === 0 || !name.startsWith(NVIDIA));
  return [...nvidia, ...others];
}

function drmCards(): Gpu[] {
  // Besides the cards themselves their sockets (card0-HDMI-A-1) are listed.
  return entries(DRM).filter((name) => /^card\d+$/.test(name)).map((card) => {
    const [vendor, device, uevent] = ['vendor', 'device', 'uevent'].map((file) => content(join(DRM, card, 'device', file)));
    return parseDrmCard(card, { vendor: vendor ?? null, device: device ?? null, uevent: uevent ?? null });
  });
}

/** The loader of Vulkan, and the drivers that it would load. Null where WebGPU does without. */
export function findVulkan(find: FindLibrary): Vulkan | null {
  if (process.platform !== 'linux') return null;
  const files = named('VK_DRIVER_FILES') ?? named('VK_ICD_FILENAMES') ?? VULKAN_FOLDERS;
  const manifests = files.flatMap((file) => (existsSync(file) && !file.endsWith('.json') ? entries(file).map((name) => join(file, name)) : [file])).filter((file) => file.endsWith('.json'));
  return { loader: find('libvulkan.so.1'), drivers: manifests.map((file) => parseVulkanDriver(file, content(file))) };
}

/** Where the libraries lie that the CUDA provider needs: its own beside onnxruntime-node's binding, CUDA's where the loader looks. */
export function findCudaLibraries(find: FindLibrary): LibraryCheck[] {
  if (process.platform !== 'linux' || process.arch !== 'x64') return [];
  const folder = bindingFolder();
  const beside = (name: string): string | null => (existsSync(join(folder, name)) ? join(folder, name) : null);
  return CUDA_LIBRARIES.map((name) => ({ name, path: name.startsWith('libonnxruntime') ? beside(name) : find(name) }));
}

/** Asks as the loader does: LD_LIBRARY_PATH first, then its cache, then the system's folders. */
export async function libraryFinder(): Promise<FindLibrary> {
  if (process.platform !== 'linux') return () => null;
  const cache = parseLdconfig((await output('ldconfig', ['-p'])) ?? '', process.arch);
  const inFolder = (folders: readonly string[], name: string): string | null => folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
  return (name) => {
    const cached = cache.get(name);
    return inFolder(named('LD_LIBRARY_PATH') ?? [], name) ?? (cached !== undefined && existsSync(cached) ? cached : null) ?? inFolder(LIBRARY_FOLDERS, name);
  };
}

/** The paths in an environment variable; null where it is not set. */
function named(variable: string): string[] | null {
  const paths = (process.env[variable] ?? '').split(':').filter((path) => path !== '');
  return paths.length > 0 ? paths : null;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}

function content(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** What a program prints; null where there is none, where it fails, or where it takes too long. */
async function output(program: string, args: readonly string[]): Promise<string | null> {
  try {
    return await printedBy(program, args);
  } catch {
    return null;
  }
}

async function printedBy(program: string, args: readonly string[]): Promise<string | null> {
  const env = process.platform === 'linux' ? { ...process.env, PATH: `${process.env['PATH'] ?? ''}:${SYSTEM_PATH}` } : process.env;
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], env, windowsHide: true });
    let text = '';
    const end = (result: string | null): void => {
      clearTimeout(expiry);
      resolve(result);
    };
    // One that waits for its driver cannot even be killed, and must not keep this process from ending.
    const expiry = setTimeout(() => {
      child.kill('SIGKILL');
      child.stdout.destroy();
      child.unref();
      end(null);
    }, PATIENCE);
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
    child.on('error', () => end(null));
    child.on('close', (code) => end(code === 0 ? text : null));
  });
}
