import { WHEEL_OPTIONS, type DownloadFault, type SourceFault } from '../setupTypes.js';
import { clause, error, isFull } from './wording.js';

/** How the CUDA provider for CUDA 12 is had. */
const NODE_SCRIPT =
  'ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install';

function pipCommand(version: string): string {
  return `python3 -m pip download ${WHEEL_OPTIONS} onnxruntime-gpu==${version}`;
}

/** What is wrong with a wheel or a folder, as what follows its name. */
export function sourceFaultText(fault: SourceFault): string {
  switch (fault.kind) {
    case 'unreadable':
      return `it cannot be read: ${clause(fault.problem)}`;
    case 'not-archive':
      return 'it is neither a wheel (a zip archive) nor a folder';
    case 'damaged':
      return `it is damaged: ${clause(fault.problem)}`;
    case 'not-library':
      return `${fault.name} is not a library (ELF, 64-bit)`;
    case 'missing':
      return `it lacks ${fault.name}`;
    case 'no-provider':
      return fault.distribution === null
        ? 'it does not hold onnxruntime-gpu'
        : `it holds ${clause(fault.distribution)}, which has no CUDA provider`;
    case 'platform':
      return `its libraries are for ${clause(fault.found)}, not for Linux x64`;
    case 'version':
      return `it is version ${clause(fault.found)}, but onnxruntime-node is ${fault.needed}`;
    case 'commit':
      return `it was built from commit ${fault.found}, but onnxruntime-node from ${fault.needed}`;
    case 'no-commit':
      return `${fault.name} does not name the commit that it was built from`;
  }
}

function sourceAdvice(fault: SourceFault): string {
  switch (fault.kind) {
    case 'unreadable':
      return 'Give --from a wheel of onnxruntime-gpu, or a folder that holds its libraries';
    case 'damaged':
    case 'not-library':
      return 'Copy or download it again';
    case 'missing':
      return `Give the whole folder onnxruntime/capi of onnxruntime-gpu ${fault.needed}, or its wheel: ${pipCommand(fault.needed)}`;
    case 'no-provider':
    case 'version':
      return `Get the wheel of onnxruntime-gpu ${fault.needed}: ${pipCommand(fault.needed)}`;
    case 'platform':
      return 'Give the wheel for manylinux x86_64';
    case 'commit':
    case 'no-commit':
    case 'not-archive':
      return 'Give a wheel of onnxruntime-gpu as PyPI has it, or leave --from out and pip downloads it';
  }
}

/** What was given cannot be set up: exit code 2. */
export const SETUP_SOURCE = {
  'setup-source': error(
    (a: { path: string; fault: SourceFault }) => `${a.path}: ${sourceFaultText(a.fault)}`,
    (a) => sourceAdvice(a.fault),
  ),
};

const DOWNLOAD: Readonly<Record<DownloadFault, string>> = {
  'no-python': 'there is no python3 to download it with',
  'no-pip': 'it has no pip',
  'no-network': 'the package index cannot be reached',
  'no-match': 'the package index has no such wheel',
  'no-space': 'the disk is full',
  failed: 'it failed',
};

const DOWNLOAD_ADVICE: Readonly<Record<DownloadFault, string>> = {
  'no-python': 'Install Python with pip, or give --from',
  'no-pip': 'Install pip for it, or onnxruntime-gpu itself, or give --from',
  'no-network': 'Check the network and the proxy, or give --from',
  'no-match': 'Check which index pip asks (pip config list), or give --from',
  'no-space': 'Set TMPDIR to a folder with 300 MB of room, or give --from',
  failed: 'Mend that, or give --from',
};

function folderAdvice(problem: string): string {
  if (isFull(problem)) return 'Make room there; nothing was changed';
  const own = 'or install attn-diff in a folder of your own and run it from there';
  return problem === 'EROFS'
    ? `Run it where that file system can be written, such as when an image is built, ${own}`
    : `Run it as the user who installed attn-diff, ${own}`;
}

/** The machine does not let it be set up: exit code 4. */
export const SETUP = {
  'setup-platform': error(
    (a: { platform: string; arch: string }) =>
      `onnxruntime-node has no CUDA provider for ${clause(a.platform)}-${clause(a.arch)}`,
    'Run it on Linux x64 (linux-x64), or use another provider: attn-diff doctor lists them',
  ),
  'setup-folder': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: the libraries cannot be put there or removed: ${clause(a.problem)}`,
    (a) => folderAdvice(a.problem),
  ),
  /** `problem` is null where the library can be read, but names no commit. */
  'setup-runtime': error(
    (a: { path: string; problem: string | null }) =>
      a.problem === null
        ? `${a.path}: onnxruntime-node's library does not name the commit that it was built from`
        : `${a.path}: onnxruntime-node's library cannot be read: ${clause(a.problem)}`,
    'Install attn-diff again',
  ),
  'setup-driver': error(
    (a: { path: string; needs: number; supports: string }) =>
      `${a.path}: the provider needs CUDA ${a.needs}, but the driver supports ${a.supports} at most`,
    ({ needs }) => {
      const other = needs > 12 ? `, or take the provider for CUDA 12: ${NODE_SCRIPT}` : '';
      return `Install a driver for CUDA ${needs}${other}`;
    },
  ),
  'setup-download': error(
    (a: { reason: DownloadFault; program: string; version: string; problem: string }) => {
      const by = a.reason === 'no-python' ? '' : ` by ${clause(a.program)} -m pip`;
      const isTold = a.reason === 'failed' || a.reason === 'no-match';
      const why = `${DOWNLOAD[a.reason]}${isTold ? `: ${clause(a.problem)}` : ''}`;
      return `onnxruntime-gpu ${a.version} was not downloaded${by}: ${why}`;
    },
    (a) =>
      `${DOWNLOAD_ADVICE[a.reason]} a wheel that another machine got with ${pipCommand(a.version)}`,
  ),
};
