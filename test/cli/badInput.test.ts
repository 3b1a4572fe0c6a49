import { mkdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { call, expectRefusal, run, TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

const folder = new TestFolder();
const MODEL = ['--model', fixture('qwen2-optimum')];
const LONG = 'word '.repeat(400);

describe('the command line', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown command', ['bogus'], /unknown command 'bogus'\. See attn-diff --help\./],
    [
      'a misspelt command',
      ['inspct'],
      /unknown command 'inspct' \(Did you mean inspect\?\)\. See attn-diff --help\./,
    ],
    [
      'an unknown option',
      ['run', ...MODEL, '--promt', 'x'],
      /unknown option '--promt' \(Did you mean --prompt\?\)\. See attn-diff run --help\./,
    ],
    [
      'an unknown option of no command',
      ['--bogus'],
      /unknown option '--bogus'\. See attn-diff --help\./,
    ],
    ['no --model', ['run'], /^attn-diff: --model: it is missing\. Give a model folder/],
    [
      'no --model to inspect',
      ['inspect'],
      /^attn-diff: --model: it is missing\. Give a model folder/,
    ],
    [
      'a misspelt --model',
      ['run', '--modl', 'x'],
      /unknown option '--modl' \(Did you mean --model\?\)\. See attn-diff run --help\./,
    ],
    ['--model without a path', ['run', '--model'], /'--model <path>' argument missing/],
    [
      'an empty --model to inspect',
      ['inspect', '--model', ''],
      /--model "": it is empty\. Give a model folder/,
    ],
    ['an empty --model', ['run', '--model', ''], /--model "": it is empty\. Give a model folder/],
    [
      'an argument too many',
      ['demo', 'x'],
      /too many arguments for 'demo'.*See attn-diff demo --help\./,
    ],
    ['an argument with control characters', ['a\nb\u001B[31m'], /unknown command 'a b/],
    [
      'an unknown implementation',
      ['run', ...MODEL, '--impl', 'eager,xformers'],
      /--impl "xformers": there is no such implementation\. Choose from eager, sdpa, flash, exact, original/,
    ],
    [
      'an unknown format',
      ['run', ...MODEL, '--format', 'xml'],
      /--format "xml": .*Give one of text, json/,
    ],
    [
      'an unknown format of inspect',
      ['inspect', ...MODEL, '--format', 'xml'],
      /--format <format>' argument 'xml' is invalid\. Allowed choices are table, json/,
    ],
    [
      'a threshold that is no number',
      ['run', ...MODEL, '--max-abs', '1e'],
      /--max-abs "1e": it is not a number\. Give/,
    ],
    [
      'two sources of prompts',
      ['run', ...MODEL, '--prompt', 'a', '--random', '2x4'],
      /cannot be combined/,
    ],
  ])('%s', async (_name, args, says) => expectRefusal(await call(args), EXIT.usage, says));

  it.each([
    ['an unknown command', ['bogus']],
    ['an unknown implementation', ['run', ...MODEL, '--impl', 'eager,xformers']],
    ['a missing file', ['run', ...MODEL, '--prompts', '/nowhere/p.txt']],
  ])('%s: a process of its own says and ends the same', async (_name, args) => {
    const started = await run(args);
    expectRefusal(started, EXIT.usage);
    expect(started).toEqual(await call(args));
  });

  it('without a command: the help, on stderr', async () => {
    const { code, stdout, stderr } = await call([]);
    expect(code).toBe(EXIT.usage);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^Usage: attn-diff/);
  });
});

describe('prompts', () => {
  const file = async (name: string, content: string | Uint8Array): Promise<string[]> => [
    'run',
    ...MODEL,
    '--prompts',
    await folder.write(name, content),
  ];

  it.each<[string, string, string | Uint8Array, RegExp]>([
    [
      'empty',
      'empty.txt',
      '',
      /empty\.txt: the prompt file holds no prompt\. Write one prompt a line/,
    ],
    ['blank lines only', 'blank.txt', '\n  \n\t\n', /blank\.txt: the prompt file holds no prompt/],
    [
      'not UTF-8',
      'latin1.txt',
      Buffer.from('caf\u00E9\n', 'latin1'),
      /latin1\.txt: the prompt file is not UTF-8 text\. Save it as UTF-8/,
    ],
    [
      'a JSONL line without text',
      'bad.jsonl',
      '{"text":"a"}\n{"txt":"b"}\n',
      /bad\.jsonl:2: not a prompt: it has no string "text".*Each line/,
    ],
    [
      'a JSONL line that is not JSON',
      'worse.jsonl',
      '{"text":"a"}\n{"text":\n',
      /worse\.jsonl:2: not a prompt: it is not a JSON object/,
    ],
    [
      'longer than the positions',
      'long.txt',
      LONG,
      /prompt "word word [^"]*": \d+ tokens, but the model has 256 positions\. Shorten it, or .*--length 256/,
    ],
  ])('%s', async (_name, path, content, says) =>
    expectRefusal(await call(await file(path, content)), EXIT.usage, says),
  );

  it.each<[string, string[], RegExp]>([
    [
      'a missing file',
      ['--prompts', '/nowhere/p.txt'],
      /\/nowhere\/p\.txt: the prompt file cannot be read: no such file or folder.*--prompts/,
    ],
    ['a folder', ['--prompts', '/'], /\/: the prompt file cannot be read: it is a folder/],
    ['an empty prompt', ['--prompt', ''], /--prompt "": it is empty\. Give a text/],
    ['a prompt longer than the positions', ['--prompt', LONG], /prompt "word word .*256 positions/],
    [
      'more random tokens than positions',
      ['--random', '2x257'],
      /--random "2x257": the model has 256 positions\. Give at most 256/,
    ],
    [
      'a --length beyond the positions',
      ['--length', '257'],
      /--length "257": the model has 256 positions/,
    ],
  ])('%s', async (_name, args, says) =>
    expectRefusal(await call(['run', ...MODEL, ...args]), EXIT.usage, says),
  );
});

describe('the tokenizer', () => {
  it('missing: --random is the way out', async () => {
    const copy = await folder.copy('qwen2-optimum', (path) => rm(join(path, 'tokenizer.json')));
    expectRefusal(
      await call(['run', '--model', copy]),
      EXIT.usage,
      copy,
      /there is no tokenizer\.json\. .*--random 2x16/,
    );
    expect(
      (await call(['run', '--model', copy, '--random', '2x16', '--padding', 'right'])).code,
    ).toBe(EXIT.passed);
  });
  it('broken', async () => {
    const copy = await folder.copy('qwen2-optimum', (path) =>
      writeFile(join(path, 'tokenizer.json'), '{"model":'),
    );
    expectRefusal(
      await call(['run', '--model', copy]),
      EXIT.usage,
      join(copy, 'tokenizer.json'),
      /cannot be read: it is not JSON/,
    );
  });
});

describe('--output', () => {
  mkdirSync(folder.path('dir'));
  const below = folder.write('file', 'kept');

  it.each<[string, string, RegExp]>([
    [
      'in a missing folder',
      folder.path('none', 'report.json'),
      /cannot be written: no such file or folder \(ENOENT\)\. Choose another path\./,
    ],
    ['a folder', folder.path('dir'), /cannot be written: it is a folder/],
    [
      'below a file',
      folder.path('file', 'report.json'),
      /cannot be written: a part of the path is not a folder/,
    ],
    ['empty', '', /--output "": it is empty\. Give a path/],
  ])('%s', async (_name, path, says) => {
    await below;
    for (const command of ['run', 'inspect'])
      expectRefusal(await call([command, ...MODEL, '--output', path]), EXIT.usage, path, says);
  });

  it('is opened before the model is read', async () => {
    expectRefusal(
      await call(['run', '--model', '/nowhere', '--output', folder.path('none', 'x')]),
      EXIT.usage,
      folder.path('none', 'x'),
    );
  });
});

describe('attn-diff setup', () => {
  it('lists what can be set up', async () => {
    expect(await call(['setup'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^attn-diff setup cuda {3}\S/),
      stderr: '',
    });
  });

  it.each([
    [
      ['setup', '--dry-run'],
      'what is to be set up was not given: cuda. See attn-diff setup --help.',
    ],
    [
      ['setup', 'cuda', '--remove', '--from', 'a.whl'],
      "'--remove' cannot be used with option '--from <path>'",
    ],
  ])('%j is a wrong usage', async (args, text) => {
    expectRefusal(await call(args), 2, text);
  });

  it.skipIf(process.platform !== 'linux' || process.arch !== 'x64')(
    'refuses a file that is no wheel, in a dry run too',
    async () => {
      expectRefusal(
        await call(['setup', 'cuda', '--from', 'package.json', '--dry-run']),
        2,
        'package.json: it is neither a wheel',
      );
    },
  );

  it.skipIf(process.platform === 'linux' && process.arch === 'x64')(
    'is for Linux x64',
    async () => {
      expectRefusal(
        await call(['setup', 'cuda', '--dry-run']),
        4,
        'onnxruntime-node has no CUDA provider for',
      );
    },
  );
});
