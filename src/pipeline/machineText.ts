import type { Gpu, VulkanDriver } from '../doctorTypes.js';
import type { ProviderName } from '../types.js';

const MIB = 2 ** 20;

/** The GPUs in what `nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader` prints. */
export function parseNvidiaSmi(text: string): Gpu[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(',').map((field) => field.trim());
    // Anything else that it prints, such as an error, is no line of three fields.
    const [name, driver, memory] = fields;
    if (fields.length !== 3 || !name || !driver || memory === undefined) return [];
    const size = /^(\d+) MiB$/.exec(memory)?.[1];
    // It writes `[N/A]` or `[Not Supported]` for what it does not know.
    return [
      {
        name,
        driver: driver.startsWith('[') ? null : driver,
        memoryBytes: size === undefined ? null : Number(size) * MIB,
        source: 'nvidia-smi',
      },
    ];
  });
}

/** What the Linux kernel tells of a card: the files `vendor`, `device` and `uevent` of its device; null for one that is not there. */
export function parseDrmCard(
  card: string,
  { vendor, device, uevent }: Readonly<Record<'vendor' | 'device' | 'uevent', string | null>>,
): Gpu {
  const [vendorId, deviceId] = [vendor, device].map((text) =>
    /^0x([\da-f]{4})\s*$/i.exec(text ?? '')?.[1]?.toLowerCase(),
  );
  const driver = /^DRIVER=(\S+)\s*$/m.exec(uevent ?? '')?.[1] ?? null;
  return {
    name: vendorId && deviceId ? `${vendorId}:${deviceId}` : card,
    driver,
    memoryBytes: null,
    source: 'drm',
  };
}

/** The library in a Vulkan driver's manifest: `{"ICD": {"library_path": …}}`. */
export function parseVulkanDriver(file: string, text: string | null): VulkanDriver {
  let library: unknown;
  try {
    const manifest = JSON.parse(text ?? '') as { ICD?: { library_path?: unknown } | null } | null;
    library = manifest?.ICD?.library_path;
  } catch {
    library = null;
  }
  return { file, library: typeof library === 'string' && library !== '' ? library : null };
}

/** Vulkan drivers that compute on the processor, by their libraries. */
const SOFTWARE: readonly (readonly [RegExp, string])[] = [
  [/swiftshader/i, 'SwiftShader'],
  [/lvp|lavapipe/i, 'llvmpipe'],
];

const UNKNOWN = 'unknown';

/**
 * The GPU that providers ran on, or may have: its name and driver; of several alike how many; `unknown` where what is
 * there does not tell which it is, and with providers in front where they differ.
 *
 * @param gpus null where nothing tells of them
 * @param drivers what Vulkan's loader would load; null where WebGPU does without
 */
export function gpuInUse(
  providers: readonly ProviderName[],
  gpus: readonly Gpu[] | null,
  drivers: readonly VulkanDriver[] | null,
): string | null {
  const asked = [...new Set(providers)].filter((provider) => provider !== 'cpu').toSorted();
  const named = asked.map((provider) => [provider, gpuOf(provider, gpus ?? [], drivers)] as const);
  const [first] = named;
  if (!first) return null;
  return named.every(([, name]) => name === first[1])
    ? first[1]
    : named.map(([provider, name]) => `${provider}: ${name}`).join('; ');
}

function gpuOf(
  provider: ProviderName,
  gpus: readonly Gpu[],
  drivers: readonly VulkanDriver[] | null,
): string {
  if (provider === 'cuda' || provider === 'tensorrt')
    return cardsText(gpus.filter(({ source }) => source === 'nvidia-smi'));
  if (provider !== 'webgpu' || drivers === null) return UNKNOWN;
  // With several drivers WebGPU itself chooses, and does not tell.
  const [driver, ...others] = drivers;
  if (!driver?.library || others.length > 0) return UNKNOWN;
  const software = SOFTWARE.find(([library]) => library.test(driver.library ?? ''));
  if (software) return software[1];
  return gpus.length === 1 ? cardsText(gpus) : UNKNOWN;
}

function cardsText(gpus: readonly Gpu[]): string {
  const counts = new Map<string, number>();
  for (const { name, driver } of gpus) {
    const text = driver === null ? name : `${name}, driver ${driver}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return (
    [...counts].map(([text, count]) => (count === 1 ? text : `${count} × ${text}`)).join(' + ') ||
    UNKNOWN
  );
}
