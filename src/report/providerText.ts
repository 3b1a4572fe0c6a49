import type { CudaLibrary, LibraryCheck, ProviderCheck } from '../doctorTypes.js';

const INSTALL_SCRIPT = 'ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install';

/** How to get a provider whose libraries or device are missing. */
export const PROVIDER_REMEDY: Readonly<Record<string, string>> = {
  cuda: `CUDA needs an NVIDIA driver, CUDA 12 with cuDNN 9, and the provider library: fetch that with ${INSTALL_SCRIPT}`,
  tensorrt: 'TensorRT needs what CUDA does, and TensorRT 10 itself',
  webgpu: 'WebGPU needs a GPU with a Vulkan driver and libvulkan.so.1, or SwiftShader (Debian: apt-get install chromium libvulkan1, then VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json)',
};

const LIBRARY_REMEDY: Readonly<Record<CudaLibrary, string>> = {
  'libonnxruntime_providers_cuda.so': `fetch it with ${INSTALL_SCRIPT}`,
  'libonnxruntime_providers_shared.so': `fetch it with ${INSTALL_SCRIPT}`,
  'libcudart.so.12': 'install the CUDA 12 runtime, or name its folder in LD_LIBRARY_PATH',
  'libcublas.so.12': 'install cuBLAS of CUDA 12, or name its folder in LD_LIBRARY_PATH',
  'libcudnn.so.9': 'install cuDNN 9 for CUDA 12, or name its folder in LD_LIBRARY_PATH',
};

/** How to get a provider; null where it works, or cannot be had here. */
export function providerRemedy({ name, status }: Pick<ProviderCheck, 'name' | 'status'>): string | null {
  return status === 'works' || status === 'not-on-platform' ? null : (PROVIDER_REMEDY[name] ?? null);
}

/** How to get a library; null where it is there. */
export function libraryRemedy({ name, path }: LibraryCheck): string | null {
  return path === null ? LIBRARY_REMEDY[name] : null;
}
