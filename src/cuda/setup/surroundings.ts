import { programOutput } from '../../programOutput.js';
import { bindingFolder } from '../../runners/providers.js';
import { onnxRuntimeVersion } from '../../runners/version.js';
import { findPythons } from '../python.js';
import type { Cleanups } from './cleanups.js';
import type { Surroundings } from './index.js';
import { parseDriverCuda } from './judge.js';
import { DISK } from './place.js';

/** This machine, as setup finds it. */
export function surroundings(undo: Cleanups, notice: Surroundings['notice']): Surroundings {
  return {
    platform: process.platform,
    arch: process.arch,
    folder: bindingFolder(),
    version: onnxRuntimeVersion(),
    env: process.env,
    disk: DISK,
    pythons: () => findPythons(),
    driverCuda: async () => parseDriverCuda((await programOutput('nvidia-smi', [])) ?? ''),
    undo,
    notice,
  };
}
