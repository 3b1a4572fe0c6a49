import { spawnSync } from 'node:child_process';

/** Prints the lib folders of NVIDIA's wheels, which torch depends on, in Python's site-packages. */
const PROGRAM = `
import glob, site, sys
for place in dict.fromkeys([*sys.path, *site.getsitepackages(), site.getusersitepackages()]):
    if place:
        print(*glob.glob(place + "/nvidia/*/lib"), sep="\\n")
`;

/** Folders with NVIDIA's libraries that Python has and the loader does not know; empty without Python. */
export function nvidiaFolders() {
  const { status, stdout } = spawnSync('python3', ['-c', PROGRAM], { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? [...new Set(stdout.split('\n').filter((each) => each !== ''))] : [];
}
