// How WebGPU reaches an NVIDIA card by Vulkan where the machine has the driver's libraries, but
// neither a loader nor the file that names them, as in most containers.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MANIFEST_FOLDERS = [
  '/usr/share/vulkan/icd.d',
  '/etc/vulkan/icd.d',
  '/usr/local/nvidia/share/vulkan/icd.d',
];
const LIBRARY_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/local/nvidia/lib64',
  '/usr/local/nvidia/lib',
];
/** Both hold NVIDIA's Vulkan driver; the second needs no X11. */
const DRIVERS = ['libGLX_nvidia.so.0', 'libEGL_nvidia.so.0'];

/**
 * The environment in which WebGPU finds Vulkan, and what is missing for it.
 *
 * @param work a folder to write to
 * @param carried the folder of the bundle's own libraries
 */
export function vulkanEnvironment(env, work, carried) {
  const run = join(work, 'run');
  mkdirSync(run, { recursive: true });
  chmodSync(run, 0o700);
  const libraries = join(carried, 'vulkan');
  const folders = [libraries, env.LD_LIBRARY_PATH].filter((folder) => folder);
  const manifests =
    env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES ?? findManifests(work, env).join(':');
  const missing = [
    ...(existsSync(join(libraries, 'libvulkan.so.1')) ? [] : ['the bundle has no libvulkan.so.1']),
    ...(manifests === ''
      ? [`no Vulkan driver: neither a file in vulkan/icd.d nor ${DRIVERS.join(' or ')} is found`]
      : []),
  ];
  return {
    env: {
      ...env,
      LD_LIBRARY_PATH: folders.join(':'),
      XDG_RUNTIME_DIR: run,
      ...(manifests === '' ? {} : { VK_ICD_FILENAMES: manifests }),
    },
    missing,
  };
}

/** The machine's own manifests of NVIDIA's driver, else one written for the library. */
function findManifests(work, env) {
  const own = MANIFEST_FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /nvidia.*\.json$/.test(name))
      .map((name) => join(folder, name)),
  );
  if (own.length > 0) return own;
  const driver = DRIVERS.map((name) => findLibrary(name, env)).find((path) => path !== null);
  if (driver === undefined) return [];
  const file = join(work, 'nvidia_icd.json');
  writeFileSync(file, manifestText(driver));
  return [file];
}

/** A manifest as Vulkan's loader reads it. */
function manifestText(library) {
  return `${JSON.stringify({ file_format_version: '1.0.1', ICD: { library_path: library, api_version: '1.3.0' } }, null, 2)}\n`;
}

function findLibrary(name, env) {
  const folders = [
    ...(env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder),
    ...LIBRARY_FOLDERS,
  ];
  const there = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (there !== undefined) return there;
  const { stdout } = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' });
  const known = (stdout ?? '')
    .split('\n')
    .find((each) => each.trim().startsWith(`${name} `) && each.includes('x86-64'));
  return known?.split(' => ')[1]?.trim() ?? null;
}
