import { describe, expect, it, onTestFinished } from 'vitest';
import { start } from '../support/cli.js';

const BUILT = new URL('../../dist/commands/interrupt.js', import.meta.url).href;

/** How a program ends that is interrupted while it works. */
async function ended(
  program: string,
): Promise<{ code: number | null; signal: string | null; stdout: string }> {
  const child = start(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { onEnd } from ${JSON.stringify(BUILT)};\n${program}`,
    ],
    {},
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  child.stdout!.on('data', (part) => (stdout += part));
  return new Promise((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, stdout })),
  );
}

const WORK =
  "setInterval(() => undefined, 1000); const kill = (signal) => process.kill(process.pid, signal); const clean = () => console.log('clean');";

describe.skipIf(process.platform === 'win32')('a process that cleans up', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'])(
    'does so once, and ends with 4, where %s interrupts it',
    async (signal) => {
      expect(await ended(`${WORK} onEnd(clean, () => null); kill('${signal}');`)).toEqual({
        code: 4,
        signal: null,
        stdout: 'clean\n',
      });
    },
  );

  it.each([
    ['SIGINT', 'SIGINT'],
    ['SIGTERM', 'SIGINT'],
    ['SIGHUP', 'SIGTERM'],
  ])(
    'is ended at once by a signal after the first, however long it takes: %s, %s',
    async (first, second) => {
      expect(
        await ended(
          `${WORK} onEnd(() => { clean(); kill('${second}'); for (;;); }, () => null); kill('${first}');`,
        ),
      ).toEqual({ code: null, signal: second, stdout: 'clean\n' });
    },
  );

  it('does so too where something else ends it', async () => {
    expect(await ended(`${WORK} onEnd(clean, () => null); process.exit(3);`)).toEqual({
      code: 3,
      signal: null,
      stdout: 'clean\n',
    });
    expect(await ended(`${WORK} onEnd(clean, () => null); throw 'a fault';`)).toMatchObject({
      code: 1,
      stdout: 'clean\n',
    });
  });

  it('does not where the work was over', async () => {
    expect(await ended(`${WORK} onEnd(clean, () => null)(); kill('SIGTERM');`)).toEqual({
      code: null,
      signal: 'SIGTERM',
      stdout: '',
    });
  });
});
