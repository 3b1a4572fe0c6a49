import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decidedExit } from '../../src/decidedExit.js';
import { EXIT } from '../../src/errors.js';
import { BIN, exec, run, TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

const folder = new TestFolder();
let count = 0;

/** bin/ as it is, in front of a program that does as it is told. */
function installed(cli: string, rest: Record<string, string> = {}): string {
  const root = folder.path(`installed-${count++}`);
  cpSync(dirname(BIN), join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, 'dist'));
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  for (const [name, text] of Object.entries({ 'cli.js': cli, ...rest }))
    writeFileSync(join(root, 'dist', name), text);
  return join(root, 'bin', 'attn-diff.js');
}

const started = (file: string, env: Record<string, string> = {}): ReturnType<typeof exec> =>
  exec(process.execPath, [file], { env });
const program = (body: string): string =>
  `export const faultText = String;\nexport async function main(finish) { ${body} }\n`;

describe('what fails before anything is done', () => {
  it.each([
    ['a file that is missing', "import './missing.js';", 'Cannot find module'],
    ['a file that was cut off', 'export const main = (', 'Unexpected'],
    [
      'a package that is missing',
      "import 'no-such-package';",
      "Cannot find package 'no-such-package'",
    ],
    [
      'a part of another version',
      "import { other } from './part.js';",
      "does not provide an export named 'other'",
    ],
    ['a module that throws', "throw new Error('no such platform');", 'no such platform'],
    [
      'a message with a full stop of its own',
      "throw new Error('no such platform.');",
      'no such platform. The installation',
    ],
  ])('%s ends with 4 and one line, never with 1', async (_, cli, says) => {
    const { code, stdout, stderr } = await started(
      installed(cli, { 'part.js': 'export const part = 1;' }),
    );
    expect({ code, stdout }).toEqual({ code: EXIT.execution, stdout: '' });
    expect(stderr).toMatch(/^attn-diff: it cannot start: [^\n]+ install it again\.\n$/);
    expect(stderr).toContain(says);
  });

  it('a part of bin/ that is missing ends with 4 and one line', async () => {
    const alone = folder.path('alone.mjs');
    cpSync(BIN, alone);
    expect(await started(alone)).toMatchObject({
      code: EXIT.execution,
      stdout: '',
      stderr: expect.stringMatching(/^attn-diff: it cannot start: [^\n]+\n$/) as string,
    });
  });

  it.skipIf(process.platform === 'win32')(
    'too few open files end with 4 and one line that says what to do',
    async () => {
      for (const limit of [24, 60, 100]) {
        const { code, stdout, stderr } = await exec('sh', [
          '-c',
          `ulimit -n ${limit}; exec '${process.execPath}' '${BIN}' --version`,
        ]);
        expect({ code, stdout, stderr }).toEqual({
          code: EXIT.execution,
          stdout: '',
          stderr: `attn-diff: it cannot start with ${limit} open files at most. Allow more: ulimit -n 1024.\n`,
        });
      }
    },
  );

  it('a Node.js that is too old is told so', async () => {
    const old = await folder.write(
      'old.mjs',
      "Object.defineProperty(process.versions, 'node', { value: '18.20.8' });",
    );
    expect(
      await started(installed(program('')), { NODE_OPTIONS: `--import=${old}` }),
    ).toMatchObject({
      code: EXIT.execution,
      stderr: 'attn-diff: Node.js 18.20.8 is too old: 20.19 or newer is needed.\n',
    });
  });
});

describe('the exit code', () => {
  it.each([
    ['0', program('finish(0);'), EXIT.passed],
    ['1 where the program says that the gate failed', program('finish(1);'), EXIT.gateFailed],
    ['4 where something else ends it with 1', program('process.exit(1);'), EXIT.execution],
    [
      '4 where something ends it with a code of none of its errors',
      program('process.exit(13);'),
      EXIT.execution,
    ],
    [
      '4 where nothing settles what it waits for',
      program('await new Promise(() => undefined);'),
      EXIT.execution,
    ],
    [
      '4 where an error is thrown past it',
      program(
        "setImmediate(() => { throw new Error('boom'); }); await new Promise((resolve) => setTimeout(resolve, 1000)); finish(1);",
      ),
      EXIT.execution,
    ],
    [
      '4 where a promise fails that nobody waits for',
      program(
        "Promise.reject(new Error('boom')); await new Promise((resolve) => setTimeout(resolve, 1000)); finish(1);",
      ),
      EXIT.execution,
    ],
  ])('is %s', async (_, cli, expected) => {
    expect((await started(installed(cli))).code).toBe(expected);
  });

  it('comes at once when the work is over, whatever still runs', async () => {
    const before = performance.now();
    const { code, stdout } = await started(
      installed(
        program(
          "setInterval(() => undefined, 1000); process.stdout.write('x'.repeat(200_000)); finish(3);",
        ),
      ),
    );
    expect({ code, length: stdout.length }).toEqual({ code: EXIT.model, length: 200_000 });
    expect(performance.now() - before).toBeLessThan(20_000);
  });

  it.each([
    ['0', program('finish(0);'), EXIT.passed],
    ['1', program('finish(1);'), EXIT.gateFailed],
    ['4 for a 1 of Node.js, which cannot find the program', null, EXIT.execution],
    ['4 for a 0 of something loaded before it', 'process.reallyExit(0);', EXIT.execution],
    ['4 for what is no exit code of attn-diff', 'process.reallyExit(77);', EXIT.execution],
    ['none where a signal ends it', "process.kill(process.pid, 'SIGKILL');", null],
  ])('that another process goes by is %s', async (_, cli, expected) => {
    expect(await decidedExit(cli === null ? folder.path('missing.js') : installed(cli), [])).toBe(
      expected,
    );
  });
});

describe('a process that runs the model and cannot start', () => {
  it.each([
    ['of no implementation', 'runners/serve.js', ['--random', '1x4']],
    ['of no tokenizer', 'model/textWork.js', ['--prompt', 'Good morning.']],
  ])('is an error of its own, and %s', async (_, file, options) => {
    const root = folder.path(`broken-${count++}`);
    const own = dirname(dirname(BIN));
    for (const part of ['bin', 'dist', 'package.json'])
      cpSync(join(own, part), join(root, part), { recursive: true });
    symlinkSync(join(own, 'node_modules'), join(root, 'node_modules'));
    writeFileSync(join(root, 'dist', file), 'export const part = (');
    const { code, stdout, stderr } = await exec(process.execPath, [
      join(root, 'bin', 'attn-diff.js'),
      'run',
      '--model',
      fixture('qwen2-optimum'),
      ...options,
    ]);
    expect({ code, stdout }).toEqual({ code: EXIT.execution, stdout: '' });
    expect(stderr).toMatch(
      /^attn-diff: the process that runs the model cannot be started: Unexpected [^\n]+\. Install attn-diff again\.\n$/,
    );
  });
});

describe('TMPDIR', () => {
  it('that is missing is said in one line', async () => {
    const missing = folder.path('missing');
    const { code, stdout, stderr } = await run(
      ['run', '--model', fixture('qwen2-optimum'), '--random', '1x4'],
      { env: { TMPDIR: missing } },
    );
    expect({ code, stdout }).toEqual({ code: EXIT.usage, stdout: '' });
    expect(stderr).toBe(
      `attn-diff: ${missing}: temporary files cannot be kept there: no such file or folder (ENOENT). Set TMPDIR to a folder that exists, may be written to and has room.\n`,
    );
  });
});
