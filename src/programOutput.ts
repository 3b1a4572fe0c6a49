import { spawn } from 'node:child_process';

/** Milliseconds that a program may take; nvidia-smi hangs where its driver does. */
const PATIENCE = 10_000;
/** Characters of it that are kept. */
const MOST_PRINTED = 2 ** 22;
/** Where ldconfig lies, to which a user's PATH seldom leads. */
const SYSTEM_PATH = '/sbin:/usr/sbin';

/**
 * What a program prints on its standard output.
 *
 * @param env the environment; its PATH is where the program is looked for, the system's folders last
 * @returns null where there is no such program, where it fails, and where it takes longer than 10 s
 */
export async function programOutput(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | null> {
  try {
    return await printedBy(program, args, env);
  } catch {
    // Where no process can be started, such as for lack of open files, spawn throws.
    return null;
  }
}

async function printedBy(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string | null> {
  const path = process.platform === 'linux' ? `${env['PATH'] ?? ''}:${SYSTEM_PATH}` : env['PATH'];
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...env, PATH: path },
      windowsHide: true,
    });
    let text = '';
    const end = (result: string | null): void => {
      clearTimeout(expiry);
      resolve(result);
    };
    const giveUp = (): void => {
      child.kill('SIGKILL');
      // One that waits for its driver cannot even be killed, and must not keep this process alive.
      child.stdout.destroy();
      child.unref();
      end(null);
    };
    const expiry = setTimeout(giveUp, PATIENCE);
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.length > MOST_PRINTED) giveUp();
    });
    child.on('error', () => end(null));
    child.on('close', (code) => end(code === 0 ? text : null));
  });
}
