import type { CudaCheck, LibraryCheck, ProviderCheck } from '../doctorTypes.js';

const SETUP = 'attn-diff setup cuda';
const SCRIPT = 'ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install';

/** How to get a provider whose libraries or device are missing. */
export const PROVIDER_REMEDY: Readonly<Record<string, string>> = {
  cuda: `CUDA needs an NVIDIA card with its driver, NVIDIA's libraries, and ONNX Runtime's library for CUDA: ${SETUP} installs the last`,
  tensorrt: 'TensorRT needs what CUDA does, and TensorRT 10 itself',
  webgpu:
    'WebGPU needs a GPU with a Vulkan driver and libvulkan.so.1, or SwiftShader (Debian: apt-get install chromium libvulkan1, then VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json)',
};

/** NVIDIA's packages on PyPI, by the libraries that they bring. */
const PACKAGES: readonly (readonly [RegExp, string])[] = [
  [/^libcublas(Lt)?$/, 'nvidia-cublas'],
  [/^libcudart$/, 'nvidia-cuda-runtime'],
  [/^libcurand$/, 'nvidia-curand'],
  [/^libcufft$/, 'nvidia-cufft'],
  [/^libnvrtc$/, 'nvidia-cuda-nvrtc'],
  [/^libnvJitLink$/, 'nvidia-nvjitlink'],
  [/^libcudnn$/, 'nvidia-cudnn'],
];

/** How to get a provider; null where it works, or cannot be had here. */
export function providerRemedy(
  { name, status }: Pick<ProviderCheck, 'name' | 'status'>,
  cuda: CudaCheck | null,
  libraries: readonly LibraryCheck[],
): string | null {
  if (status === 'works' || status === 'not-on-platform') return null;
  if (name === 'cuda' && cuda !== null) return cudaRemedy(cuda, libraries);
  return PROVIDER_REMEDY[name] ?? null;
}

/** What CUDA lacks and the one thing that helps; null where it works. */
export function cudaRemedy(
  { lacks, version }: CudaCheck,
  libraries: readonly LibraryCheck[],
): string | null {
  switch (lacks) {
    case null:
      return null;
    case 'device':
      return 'no NVIDIA card was found. In a container, give it the card: docker run --gpus all';
    case 'device-hidden':
      return 'CUDA_VISIBLE_DEVICES hides every card: unset CUDA_VISIBLE_DEVICES';
    case 'driver':
      return "there is an NVIDIA card, but no driver: install NVIDIA's driver, which brings libcuda.so.1 and nvidia-smi";
    case 'provider':
      return `ONNX Runtime's library for CUDA is not installed: ${SETUP}`;
    case 'driver-too-old':
      return `the driver is too old for CUDA ${version}: ${version === 12 ? 'update it' : `update it, or take the library for CUDA 12: ${SCRIPT}`}`;
    case 'libraries':
      return `libraries of NVIDIA are missing: ${pipCommand(missing(libraries), version)}`;
    case 'unknown':
      return `card, driver and libraries are there. If ONNX Runtime's library is of another version than onnxruntime-node, this replaces it: ${SETUP}`;
  }
}

function missing(libraries: readonly LibraryCheck[]): LibraryCheck[] {
  return libraries.filter(({ path, isRequired }) => isRequired && path === null);
}

/** How to get a library; null where it is there. */
export function libraryRemedy(
  { name, path, neededBy }: LibraryCheck,
  cudaVersion: number | null,
): string | null {
  if (path !== null) return null;
  if (neededBy === null) return SETUP;
  if (name === 'libcuda.so.1') return "install NVIDIA's driver";
  return pipCommand([{ name }], cudaVersion);
}

/** The command that installs the packages of these libraries, in the versions that they name. */
function pipCommand(
  libraries: readonly Pick<LibraryCheck, 'name'>[],
  cudaVersion: number | null,
): string {
  const wanted = libraries.map(({ name }) => packageOf(name, cudaVersion));
  const packages = [...new Set(wanted.filter((each) => each !== null))];
  if (packages.length < new Set(wanted).size) {
    return `install ${libraries.map(({ name }) => name).join(', ')}, or name the folder in LD_LIBRARY_PATH`;
  }
  return `pip install ${packages.join(' ')}`;
}

/** NVIDIA's wheels have the library's major version; those for CUDA 12 and cuDNN also name CUDA's. */
function packageOf(name: string, cudaVersion: number | null): string | null {
  const [, library, version] = /^(lib\w+)\.so\.(\d+)$/.exec(name) ?? [];
  const known = PACKAGES.find(([pattern]) => pattern.test(library ?? ''))?.[1];
  if (known === undefined) return null;
  const isNamed = cudaVersion === 12 || known === 'nvidia-cudnn';
  return isNamed ? `${known}-cu${cudaVersion ?? ''}` : `"${known}==${version}.*"`;
}
