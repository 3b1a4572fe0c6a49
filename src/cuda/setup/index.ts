import { createReadStream, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AttnDiffError, isError } from '../../errors.js';
import { openScratch } from '../../files/scratch.js';
import type { SetupNotice, SetupOrigin, SetupOutcome } from '../../setupTypes.js';
import { PROVIDER_FILES, PROVIDER_LIBRARIES } from '../providerFiles.js';
import type { Pythons } from '../python.js';
import { commitIn } from './buildInfo.js';
import type { Cleanups } from './cleanups.js';
import { openFolder } from './folder.js';
import { install } from './install.js';
import type { Runtime } from './judge.js';
import { downloadWheel } from './pip.js';
import { presentIn, removeFrom, requireWritable, type Disk } from './place.js';
import { intactRecord, RECORD } from './record.js';
import { sourceError } from './source.js';
import { openWheel } from './wheel.js';

/** What `attn-diff setup cuda` is given. */
export interface SetupRequest {
  /** A wheel or a folder; null for what is installed, or else pip. */
  from: string | null;
  isDryRun: boolean;
}

/** What setup finds around it, and what it does there. */
export interface Surroundings {
  platform: string;
  arch: string;
  /** The folder of onnxruntime-node's library. */
  folder: string;
  /** The version of onnxruntime-node. */
  version: string;
  env: NodeJS.ProcessEnv;
  disk: Disk;
  pythons(): Promise<Pythons>;
  /** The newest version of CUDA that the driver supports; null where there is none. */
  driverCuda(): Promise<string | null>;
  undo: Cleanups;
  /** Says what goes on. */
  notice(notice: SetupNotice): void;
}

const RUNTIME_LIBRARY = 'libonnxruntime.so.1';
/** What goes with the provider: TensorRT's library cannot be loaded without it. */
const REMOVED = [...PROVIDER_FILES.tensorrt, RECORD];

/**
 * Puts the libraries of the CUDA provider beside onnxruntime-node's own, after it has made sure
 * that both are of one build.
 *
 * @throws AttnDiffError setup-platform, setup-folder, setup-runtime, setup-source, setup-driver,
 *   setup-download, temporary-folder
 */
export async function setUpCuda(
  request: SetupRequest,
  surroundings: Surroundings,
): Promise<SetupOutcome> {
  const { folder, version } = surroundings;
  requirePlatform(surroundings);
  requireWritable(folder, request.isDryRun);
  const runtime = { version, commit: await runtimeCommit(folder) };
  if (request.from !== null) {
    const origin = originOf(request.from);
    return installed(origin, runtime, request, surroundings);
  }
  const record = await intactRecord(folder, PROVIDER_LIBRARIES, runtime);
  if (record !== null) return { kind: 'same', commit: record.commit, cuda: record.cuda, folder };
  return automatically(runtime, request, surroundings);
}

/**
 * Removes the provider's libraries.
 *
 * @throws AttnDiffError setup-platform, setup-folder
 */
export function removeCuda(isDryRun: boolean, surroundings: Surroundings): SetupOutcome {
  const { folder } = surroundings;
  requirePlatform(surroundings);
  const files = presentIn(folder, REMOVED);
  if (files.length > 0) requireWritable(folder, isDryRun);
  if (!isDryRun)
    removeFrom(
      folder,
      files.map(({ name }) => name),
    );
  return { kind: 'removed', isDryRun, folder, files };
}

function requirePlatform({ platform, arch }: Surroundings): void {
  if (platform === 'linux' && arch === 'x64') return;
  throw new AttnDiffError('setup-platform', { platform, arch });
}

async function runtimeCommit(folder: string): Promise<string> {
  const path = join(folder, RUNTIME_LIBRARY);
  let commit: string | null;
  try {
    commit = await commitIn(createReadStream(path));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new AttnDiffError('setup-runtime', { path, problem: code ?? message });
  }
  if (commit === null) throw new AttnDiffError('setup-runtime', { path, problem: null });
  return commit;
}

function originOf(path: string): SetupOrigin {
  const stats = ((): ReturnType<typeof statSync> => {
    try {
      return statSync(path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw sourceError(path, { kind: 'unreadable', problem: code ?? message });
    }
  })();
  if (stats!.isDirectory()) return { kind: 'folder', path };
  if (stats!.isFile()) return { kind: 'wheel', path };
  throw sourceError(path, { kind: 'not-archive' });
}

async function automatically(
  runtime: Runtime,
  request: SetupRequest,
  surroundings: Surroundings,
): Promise<SetupOutcome> {
  const { folder, env, undo } = surroundings;
  const { sites, interpreter } = await surroundings.pythons();
  for (const site of sites) {
    const path = join(site.folder, 'onnxruntime', 'capi');
    if (!existsSync(path)) continue;
    try {
      return await installed({ kind: 'python', path }, runtime, request, surroundings);
    } catch (error) {
      if (!isError(error, 'setup-source')) throw error;
      surroundings.notice({ kind: 'passed-over', path, fault: error.args.fault });
    }
  }
  const { version } = runtime;
  if (request.isDryRun) return { kind: 'download', version, folder };
  const scratch = openScratch();
  const forget = undo.add(() => scratch.remove());
  try {
    if (interpreter !== null) {
      surroundings.notice({ kind: 'download', version, program: interpreter });
    }
    const path = await downloadWheel(interpreter, { version, folder: scratch.path, env, undo });
    return await installed({ kind: 'pip', path }, runtime, request, surroundings);
  } finally {
    forget();
    scratch.remove();
  }
}

async function installed(
  origin: SetupOrigin,
  runtime: Runtime,
  { isDryRun }: SetupRequest,
  surroundings: Surroundings,
): Promise<SetupOutcome> {
  const isArchive = origin.kind === 'wheel' || origin.kind === 'pip';
  const open = isArchive ? openWheel : openFolder;
  const source = await open(origin, runtime.version);
  try {
    return await install(source, runtime, { ...surroundings, isDryRun });
  } catch (error) {
    surroundings.undo.run();
    throw error;
  } finally {
    source.close();
  }
}
