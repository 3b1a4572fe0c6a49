import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AttnDiffError } from '../../errors.js';
import { WHEEL_OPTIONS, type DownloadFault } from '../../setupTypes.js';
import type { Cleanups } from './cleanups.js';

/** What of pip's complaints is kept, in characters. */
const MOST_KEPT = 65_536;

/** No question, no notice, no copy in a cache, no long wait where there is no network. */
const QUIETLY =
  '--disable-pip-version-check --no-input --no-cache-dir --progress-bar off --retries 2';

/** How pip is asked for a wheel of exactly one version. */
function pipArguments(version: string, folder: string): string[] {
  const options = `-m pip download ${WHEEL_OPTIONS} ${QUIETLY}`;
  return [...options.split(' '), '--dest', folder, `onnxruntime-gpu==${version}`];
}

/**
 * Has pip download the wheel of onnxruntime-gpu.
 *
 * @param program the interpreter whose pip is asked; null where there is none
 * @param folder where the wheel and pip's own temporary files go
 * @returns the path of the wheel
 * @throws AttnDiffError setup-download
 */
export async function downloadWheel(
  program: string | null,
  { version, folder, env, undo }: PipRequest,
): Promise<string> {
  const fail = (reason: DownloadFault, problem: string): AttnDiffError<'setup-download'> =>
    new AttnDiffError('setup-download', {
      reason,
      problem,
      version,
      program: program ?? 'python3',
    });
  if (program === null) throw fail('no-python', '');
  const ended = await run(program, pipArguments(version, folder), {
    undo,
    env: { ...env, TMPDIR: folder, PIP_REQUIRE_VIRTUALENV: '0', LC_ALL: 'C' },
  });
  if (ended.code !== 0) throw fail(downloadFault(ended.complaints), lastComplaint(ended));
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw fail('failed', 'pip wrote no wheel');
  return join(folder, wheel);
}

export interface PipRequest {
  version: string;
  folder: string;
  env: NodeJS.ProcessEnv;
  undo: Cleanups;
}

interface Ended {
  code: number | null;
  signal: string | null;
  complaints: string;
}

async function run(
  program: string,
  args: readonly string[],
  { env, undo }: Pick<PipRequest, 'env' | 'undo'>,
): Promise<Ended> {
  return new Promise((resolve) => {
    // A group of its own: python3 may be a script that starts the true one as another process.
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env,
      detached: true,
    });
    const forget = undo.add(() => killGroup(child.pid));
    let complaints = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      complaints = (complaints + part).slice(-MOST_KEPT);
    });
    const end = (ended: Ended): void => {
      forget();
      resolve(ended);
    };
    child.on('error', ({ message }) => end({ code: null, signal: null, complaints: message }));
    child.on('close', (code, signal) => end({ code, signal, complaints }));
  });
}

function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

const NETWORK = [
  'NewConnectionError',
  'NameResolutionError',
  'Failed to establish a new connection',
  'Temporary failure in name resolution',
  'Network is unreachable',
  'Max retries exceeded',
  'ConnectTimeoutError',
  'ReadTimeoutError',
  'Read timed out',
  'timed out',
  'ProxyError',
  'SSLError',
  'Connection refused',
  'Connection reset',
  'Connection broken',
];

/** Why pip failed, by what it prints; without network it says that nothing matches as well. */
function downloadFault(complaints: string): DownloadFault {
  const says = (text: string): boolean => complaints.includes(text);
  if (says('No module named pip')) return 'no-pip';
  if (says('No space left on device') || says('Disk quota exceeded')) return 'no-space';
  if (NETWORK.some(says)) return 'no-network';
  if (says('No matching distribution found')) return 'no-match';
  return 'failed';
}

/** The last line that says what went wrong. */
function lastComplaint({ code, signal, complaints }: Ended): string {
  const lines = complaints.split('\n').filter((line) => line.trim() !== '');
  const line = lines.findLast((each) => each.startsWith('ERROR:')) ?? lines.at(-1);
  if (line !== undefined) return line.replace(/^ERROR: */, '');
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}
