/** The execution providers that run on NVIDIA's libraries. */
export const NVIDIA_PROVIDERS = ['cuda', 'tensorrt'] as const;
export type NvidiaProvider = (typeof NVIDIA_PROVIDERS)[number];

/** What the CUDA provider has beside onnxruntime-node's library, in the order in which it is put there. */
export const PROVIDER_LIBRARIES = [
  'libonnxruntime_providers_shared.so',
  'libonnxruntime_providers_cuda.so',
] as const;
export type ProviderLibrary = (typeof PROVIDER_LIBRARIES)[number];

/** The libraries of each provider; TensorRT's cannot be loaded without CUDA's. */
export const PROVIDER_FILES = {
  cuda: PROVIDER_LIBRARIES,
  tensorrt: [...PROVIDER_LIBRARIES, 'libonnxruntime_providers_tensorrt.so'],
} as const satisfies Readonly<Record<NvidiaProvider, readonly string[]>>;
