import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { gravest, hookRuns, notPassed } from '../src/hookRuns.js';
import { readDocument, ROOT } from './docs/documents.js';
import { exec, TestFolder } from './support/cli.js';

interface Hook {
  id: string;
  entry: string;
  language: string;
  files: string;
  require_serial: boolean;
}

const [hook, ...others] = parse(readFileSync(join(ROOT, '.pre-commit-hooks.yaml'), 'utf8')) as [
  Hook,
  ...Hook[],
];
const folder = new TestFolder();

describe('.pre-commit-hooks.yaml', () => {
  it('names one hook, whose entry can be run from a clone', () => {
    expect(others).toEqual([]);
    expect(hook).toMatchObject({ id: 'attn-diff', language: 'script', require_serial: true });
    expect(() => accessSync(join(ROOT, hook.entry), constants.X_OK)).not.toThrow();
    expect(readDocument('docs/ci.md')).toContain(`- id: ${hook.id}\n`);
  });

  // Python's re.search, as pre-commit does it; there is nothing in this expression that JavaScript takes otherwise.
  it.each([
    ['model.onnx', true],
    ['a/onnx/model_fp16.onnx', true],
    ['model.onnx_data', true],
    ['model.onnx_data_1', true],
    ['model.onnx.data', true],
    ['model.onnx.txt', false],
    ['model.onnxx', false],
    ['onnx/config.json', false],
    ['model_onnx', false],
  ])('takes %s: %s', (path, expected) => {
    expect(new RegExp(hook.files).test(path)).toBe(expected);
  });
});

describe('the runs of a hook', () => {
  it('are one for each model, with the options that stand before', () => {
    expect(hookRuns(['--impl', 'eager,flash', 'a/model.onnx', 'b.onnx'])).toEqual([
      { model: 'a/model.onnx', args: ['run', '--model', 'a/model.onnx', '--impl', 'eager,flash'] },
      { model: 'b.onnx', args: ['run', '--model', 'b.onnx', '--impl', 'eager,flash'] },
    ]);
  });

  it('take weights for the model that they are of', () => {
    expect(
      hookRuns(['model.onnx_data', 'model.onnx', 'x/model.onnx.data', 'x/model.onnx_data_1']).map(
        ({ model }) => model,
      ),
    ).toEqual(['model.onnx', 'x/model.onnx']);
  });

  it('are none where there are only options', () => {
    expect(hookRuns([])).toEqual([]);
    expect(hookRuns(['--mask', 'mask.npy'])).toEqual([]);
  });

  it('leave no file out, and no option', () => {
    const name = fc.stringMatching(/^[a-z/]{0,5}[a-z]\.onnx$/);
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^--?[a-z]+(=[a-z]+)?$/), { maxLength: 4 }),
        fc.uniqueArray(name, { minLength: 1, maxLength: 4 }),
        (options, files) => {
          expect(hookRuns([...options, ...files])).toEqual(
            files.map((model) => ({ model, args: ['run', '--model', model, ...options] })),
          );
        },
      ),
    );
  });
});

describe('of exit codes', () => {
  it.each([
    [[0], 0],
    [[0, 1, 0], 1],
    [[1, 3, 0], 3],
    [[null, 1], 4],
    [[2, 1], 2],
  ] as const)('%j the gravest is %i', (codes, expected) => {
    expect(gravest(codes)).toBe(expected);
  });
});

describe('what is said at the end', () => {
  it('names each model that did not pass, since reports are long and an error need not name the model', () => {
    expect(
      notPassed([
        { model: 'a.onnx', code: 0 },
        { model: 'b c.onnx', code: 1 },
        { model: 'd.onnx', code: 3 },
        { model: 'e.onnx', code: null },
      ]),
    ).toEqual([
      'attn-diff-pre-commit: b c.onnx failed the gate (exit code 1).',
      'attn-diff-pre-commit: d.onnx could not be checked (exit code 3).',
      'attn-diff-pre-commit: e.onnx could not be checked (ended by a signal).',
    ]);
  });
});

describe('attn-diff-pre-commit', () => {
  const command = join(ROOT, 'bin', 'attn-diff-pre-commit.js');

  it('runs attn-diff on each model, and ends as that does', async () => {
    const { code, stdout, stderr } = await exec(
      process.execPath,
      [command, '--length', '8', 'missing.onnx', 'absent.onnx_data'],
      { cwd: folder.root },
    );
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(
      /^attn-diff: missing\.onnx: .*\nattn-diff: absent\.onnx: .*\nattn-diff-pre-commit: missing\.onnx could .*\nattn-diff-pre-commit: absent\.onnx could .*\n$/,
    );
  });

  it('does not pass where it is given nothing', async () => {
    const { code, stderr } = await exec(process.execPath, [command, '--chat']);
    expect([code, stderr]).toEqual([
      2,
      'attn-diff-pre-commit: no .onnx file is named. Name some, after the options of attn-diff run.\n',
    ]);
  });
});

describe.skipIf(process.platform === 'win32')('the entry of the hook', () => {
  /** A clone in which npm and the command only write down that they were called. */
  function clone(
    name: string,
    npm: string,
    end = 'process.send({ exitCode: 1 }, () => process.exit(1));',
  ): { run: () => ReturnType<typeof spawnSync>; log: () => string } {
    const root = folder.path(name);
    for (const part of ['scripts', 'bin', 'path', 'node_modules'])
      mkdirSync(join(root, part), { recursive: true });
    for (const path of [hook.entry, 'scripts/decided.js', 'package.json'])
      copyFileSync(join(ROOT, path), join(root, path));
    symlinkSync(join(ROOT, 'dist'), join(root, 'dist'));
    writeFileSync(
      join(root, 'bin', 'attn-diff-pre-commit.js'),
      `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(join(root, 'log'))}, 'hook ' + process.argv.slice(2).join(' ') + '\\n'); ${end}`,
    );
    writeFileSync(
      join(root, 'path', 'npm'),
      `#!/bin/sh\necho "npm $*" | tee -a '${join(root, 'log')}'\n${npm}\n`,
    );
    chmodSync(join(root, 'path', 'npm'), 0o755);
    const env = { ...process.env, PATH: [join(root, 'path'), process.env['PATH']].join(delimiter) };
    return {
      run: () =>
        spawnSync(join(root, hook.entry), ['--impl', 'eager', 'a model.onnx'], {
          cwd: folder.root,
          env,
          encoding: 'utf8',
        }),
      log: () => readFileSync(join(root, 'log'), 'utf8'),
    };
  }

  it('installs and builds once, without install scripts, and hands arguments and exit code on', () => {
    const { run, log } = clone('once', '');
    expect(run()).toMatchObject({ status: 1, stdout: '' });
    expect(run()).toMatchObject({ status: 1, stdout: '' });
    expect(log()).toBe(
      'npm ci --ignore-scripts --no-audit --no-fund\nnpm run --silent build\nhook --impl eager a model.onnx\nhook --impl eager a model.onnx\n',
    );
  });

  it.each([
    ['exit 1', 'process.exit(1);'],
    ['exit 0', 'process.exit(0);'],
  ])('takes an %s that the program has not decided on for no verdict', (name, end) => {
    expect(clone(name.replace(' ', '-'), '', end).run()).toMatchObject({ status: 4, stdout: '' });
  });

  it('begins again where the installation failed, which is no verdict', () => {
    const { run, log } = clone('failing', 'exit 1');
    expect(run()).toMatchObject({
      status: 4,
      stderr: expect.stringMatching(
        /could not be installed, so nothing was checked\.\n$/,
      ) as string,
    });
    expect(run()).toMatchObject({ status: 4 });
    expect(log()).toBe('npm ci --ignore-scripts --no-audit --no-fund\n'.repeat(2));
    expect(existsSync(folder.path('failing', 'node_modules', '.attn-diff-built'))).toBe(false);
  });
});
