/** What `attn-diff doctor` finds out of a machine. */
import type { AttentionPrecision, ImplementationName, KernelName, ProviderName } from './stream.js';
import type { HostInfo, Precision } from './types.js';

export const DOCTOR_SCHEMA = 'attn-diff/doctor/v1';

/**
 * What became of one node that a provider was given: `works`, it ran there; `falls-back`, it ran elsewhere; `missing`,
 * the runtime could not open the provider or refused the node; `fails`, its process died or gave no answer;
 * `not-on-platform`, the Node package has no such provider here.
 */
export const PROVIDER_STATUSES = [
  'works',
  'falls-back',
  'missing',
  'fails',
  'not-on-platform',
] as const;
export type ProviderStatus = (typeof PROVIDER_STATUSES)[number];

export interface ProviderCheck {
  name: ProviderName;
  status: ProviderStatus;
  /** Whether its libraries ship inside onnxruntime-node; null where that has no such provider here. */
  bundled: boolean | null;
  /** Operators that ran, with the provider and the types that each ran in, from the session's own profile. */
  ran: { operator: string; provider: string; types: Precision[] }[];
  /** What the runtime said, or how its process ended; null where the node ran. */
  problem: string | null;
}

/** Where a GPU was heard of: `nvidia-smi`, or the Linux kernel's own list in /sys/class/drm. */
export const GPU_SOURCES = ['nvidia-smi', 'drm'] as const;

export interface Gpu {
  /** The card's name; from the kernel `vendor:device` in hexadecimal, where it tells them, else the kernel's name. */
  name: string;
  /** The driver's version; from the kernel the driver's name. Null where neither is told. */
  driver: string | null;
  memoryBytes: number | null;
  source: (typeof GPU_SOURCES)[number];
}

/** A file that names a Vulkan driver. */
export interface VulkanDriver {
  file: string;
  /** The library that the file names; null where it cannot be read or names none. */
  library: string | null;
}

export interface Vulkan {
  /** Where libvulkan.so.1 lies; null where it is not found. */
  loader: string | null;
  drivers: VulkanDriver[];
}

/** A library of the CUDA provider, or one that it needs. */
export interface LibraryCheck {
  /** As it is needed: `libcublas.so.13`. */
  name: string;
  /** Where the process of a CUDA stream finds it; null where it does not. */
  path: string | null;
  /** What led to it: `loader`, `onnxruntime-node`, or the variable, folder or interpreter whose installation it is of. */
  origin: string | null;
  /** The library that needs it; null for the provider's own. */
  neededBy: string | null;
  /** Whether CUDA cannot be used without it; else some of its kernels cannot. */
  isRequired: boolean;
}

/**
 * What keeps CUDA from running: `device`, no NVIDIA card; `device-hidden`, CUDA_VISIBLE_DEVICES
 * names none; `driver`, a card without a driver; `provider`, ONNX Runtime's library for it;
 * `driver-too-old`, for the CUDA version that this library was built for; `libraries`, NVIDIA's;
 * `unknown`, all of these are there.
 */
export const CUDA_LACKS = [
  'device',
  'device-hidden',
  'driver',
  'provider',
  'driver-too-old',
  'libraries',
  'unknown',
] as const;
export type CudaLack = (typeof CUDA_LACKS)[number];

export interface CudaCheck {
  /** The first of these that CUDA lacks; null where it works. */
  lacks: CudaLack | null;
  /** Major version of CUDA that the provider's library was built for; null where it is not installed. */
  version: number | null;
}

/** The implementations whose kernel depends on provider and precision. */
export const CHOSEN = ['eager', 'sdpa', 'flash'] as const satisfies readonly ImplementationName[];

/** `real`: it ran in that precision; `emulated`: with explicit rounding; `elsewhere`: the provider leaves it to another, or runs it in another type; `none`: it cannot be run. */
export const CAPABILITIES = ['real', 'emulated', 'elsewhere', 'none'] as const;

/** What one implementation is on one provider at one precision. */
export interface Capability {
  implementation: (typeof CHOSEN)[number];
  provider: ProviderName;
  precision: AttentionPrecision;
  kind: (typeof CAPABILITIES)[number];
  /** Operators that compute it; empty where it cannot be run. */
  operators: string[];
  /** Kernels that can be asked for by name at this precision, the usual one first. */
  kernels: KernelName[];
  /** Why it cannot be run, or where it runs instead; null where neither. */
  reason: string | null;
}

export interface Machine extends HostInfo {
  /** Logical processors. */
  cores: number;
  /** Memory that the process may use. */
  memoryBytes: number;
}

export interface Diagnosis {
  schema: typeof DOCTOR_SCHEMA;
  machine: Machine;
  providers: ProviderCheck[];
  /** Null where nothing tells of GPUs: not on Linux, and no nvidia-smi. */
  gpus: Gpu[] | null;
  /** Null where WebGPU does without Vulkan: not on Linux. */
  vulkan: Vulkan | null;
  /** Null where the platform has no CUDA. */
  cuda: CudaCheck | null;
  /** Of the CUDA provider; empty where the platform has none. */
  libraries: LibraryCheck[];
  /** On every provider that works. */
  implementations: Capability[];
}
