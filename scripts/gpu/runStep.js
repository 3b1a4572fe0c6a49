import { spawn } from 'node:child_process';

const MOST_KEPT = 2 ** 27;

/**
 * Runs a Node program to its end or for so many seconds, after which it and all that it started are
 * killed.
 *
 * @param onStart is given a function that kills it
 * @returns exit status (null where it was killed), whether by the limit, output, seconds
 */
export function runNode(args, { limit, env, cwd, onStart = () => undefined }) {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: [], stderr: [] };
    let kept = 0;
    for (const name of ['stdout', 'stderr']) {
      child[name].on('data', (chunk) => {
        kept += chunk.length;
        if (kept <= MOST_KEPT) output[name].push(chunk);
      });
    }
    let isStopped = false;
    const kill = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    };
    onStart(kill);
    const timer = setTimeout(() => {
      isStopped = true;
      kill();
    }, limit * 1000);
    const text = (name) => Buffer.concat(output[name]).toString();
    const end = (status, error = '') => {
      clearTimeout(timer);
      resolve({
        status,
        isStopped,
        stdout: text('stdout'),
        stderr: text('stderr') + error,
        seconds: (performance.now() - started) / 1000,
      });
    };
    child.on('error', (error) => end(null, error.message));
    child.on('close', (status) => end(status));
  });
}

/**
 * The report of a run of attn-diff, whose exit code 1 is a result as 0 is, or in one line why there
 * is none.
 */
export function reportOf({ status, isStopped, stdout, stderr, seconds }) {
  if (isStopped)
    return { report: null, problem: `stopped: it took more than its ${seconds.toFixed(0)} s` };
  try {
    return { report: JSON.parse(stdout), problem: null };
  } catch {
    const lines = stderr
      .trim()
      .split('\n')
      .filter((each) => each.trim() !== '');
    const said =
      lines.find((each) => each.startsWith('attn-diff: ')) ?? lines.at(-1) ?? 'it printed nothing';
    return {
      report: null,
      problem: `failed with exit code ${status}: ${said.replace(/^attn-diff: /, '')}`,
    };
  }
}
