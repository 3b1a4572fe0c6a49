import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DOCUMENTS, readDocument, ROOT, shownCommands, type ShownCommand } from './documents.js';
import { SWIFTSHADER } from '../support/webgpu.js';
import {
  execute,
  executeInShell,
  isSameEverywhere,
  plainArguments,
  readsOnly,
  type Execution,
} from './execute.js';
import { mask } from './mask.js';

let scratch: string;
let place: { home: string; path: string };

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'attn-diff-docs-'));
  place = { home: scratch, path: join(scratch, 'path') };
  mkdirSync(place.path);
  const shim = join(place.path, 'attn-diff');
  writeFileSync(
    shim,
    `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'bin', 'attn-diff.js')}" "$@"\n`,
  );
  chmodSync(shim, 0o755);
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A folder as the documents assume it: a model, a prompt file, and a clone's own folders. */
function folderFor(document: string): string {
  const folder = join(scratch, document.replaceAll(/\W/g, '-'));
  if (existsSync(folder)) return folder;
  mkdirSync(folder);
  cpSync(join(ROOT, 'fixtures', 'qwen2-optimum'), join(folder, 'my-model'), { recursive: true });
  writeFileSync(
    join(folder, 'wrong.json'),
    '{\n  "model": "./my-model",\n  "budgets": [\n    { "metric": "rel-l2", "layers": "7-3", "max": 0.01 }\n  ]\n}\n',
  );
  writeFileSync(
    join(folder, 'prompts.txt'),
    'Good morning.\nThe bridge was closed, so everyone took the ferry.\n',
  );
  mkdirSync(join(folder, 'cloned'));
  writeFileSync(
    join(folder, 'cloned', 'attn-diff.config.json'),
    '{ "model": "../my-model", "failOn": "none", "report": { "html": "../page.html" } }\n',
  );
  for (const name of ['bin', 'fixtures', 'scripts'])
    symlinkSync(join(ROOT, name), join(folder, name));
  return folder;
}

const known = new Map<string, Promise<Execution>>();

/** A command that several documents show is executed once, unless it reads a file that a command before it may have changed. */
function executed(
  command: string,
  { document, isShared, isStarted }: { document: string; isShared: boolean; isStarted: boolean },
): Promise<Execution> {
  const start = async (): Promise<Execution> =>
    isStarted
      ? executeInShell(command, folderFor(document), place)
      : execute(command, folderFor(document), place);
  if (!isShared) return start();
  const execution = known.get(command) ?? start();
  known.set(command, execution);
  return execution;
}

/** `actual` with lines left out where `shown` has `…`, as far as the two agree. */
function elideAs(shown: readonly string[], actual: readonly string[]): string[] {
  const result: string[] = [];
  let position = 0;
  for (const [i, line] of shown.entries()) {
    if (line === '…') {
      const following = shown.slice(
        i + 1,
        shown.indexOf('…', i + 1) < 0 ? undefined : shown.indexOf('…', i + 1),
      );
      const start = actual.findIndex(
        (_, at) =>
          at >= position && following.every((text, offset) => actual[at + offset] === text),
      );
      if (following.length > 0 && start < 0) return [...result, ...actual.slice(position)];
      result.push('…');
      position = following.length > 0 ? start : actual.length;
    } else {
      if (position < actual.length) result.push(actual[position]!);
      position += 1;
    }
  }
  return [...result, ...actual.slice(position)];
}

function maskedLines(text: string): string[] {
  return mask(text.trimEnd(), ROOT)
    .split('\n')
    .map((line) => line.trimEnd());
}

/** Without what does not matter to the command: how a reader gets at it, and a comment behind it. */
function bare(command: string): string {
  return command.replace(/^npx /, '').replace(/\s+#[^'"]*$/, '');
}

/** Whether what a command gives is the same for all documents, given those before it in its own. */
function givesTheSame(run: string, before: readonly string[]): boolean {
  const changes = before.filter((each) => !readsOnly(each));
  return (
    readsOnly(run) &&
    (changes.length === 0 ||
      (isSameEverywhere(run) && !changes.some((each) => /\binit\b|config/.test(each))))
  );
}

/** Whether it is the first of its subcommand that shows output: those of the README are run as a reader would. */
function isFirstShown(
  commands: readonly (ShownCommand & { run: string })[],
  index: number,
): boolean {
  const of = ({ run }: { run: string }): string | undefined => /^attn-diff (\w+)/.exec(run)?.[1];
  return (
    commands.findIndex((other) => other.output !== null && of(other) === of(commands[index]!)) ===
    index
  );
}

const documented = DOCUMENTS.map((document) => {
  const commands = shownCommands(readDocument(document)).map((shown) => ({
    ...shown,
    run: bare(shown.command),
  }));
  return {
    document,
    commands: commands.map((shown, i) => ({
      ...shown,
      isShared: givesTheSame(
        shown.run,
        commands.slice(0, i).map(({ run }) => run),
      ),
      isStarted: document === 'README.md' && isFirstShown(commands, i),
    })),
  };
}).filter(({ commands }) => commands.length > 0);

test('the documents show commands, and their output', () => {
  const commands = documented.flatMap((document) => document.commands);
  expect(documented.map(({ document }) => document)).toEqual(
    expect.arrayContaining(['README.md', 'CONTRIBUTING.md']),
  );
  for (const name of ['run', 'demo', 'inspect', 'doctor'])
    expect(commands.some(({ command }) => command.includes(`attn-diff ${name}`))).toBe(true);
  expect(
    commands.filter(({ output }) => output !== null && output.length > 0).length,
  ).toBeGreaterThan(5);
});

test.each([
  [
    'attn-diff run --impl eager#2,eager:fill=-1e4 --mask-fill=-inf',
    ['run', '--impl', 'eager#2,eager:fill=-1e4', '--mask-fill=-inf'],
  ],
  [
    `attn-diff demo --prompt "it's one" --prompt 'two $words'`,
    ['demo', '--prompt', "it's one", '--prompt', 'two $words'],
  ],
  ['node bin/attn-diff.js demo', ['demo']],
  ['attn-diff demo > report.txt', null],
  ['attn-diff demo --prompt "$TEXT"', null],
  ['attn-diff demo --timeout 5', null],
  ['attn-diff demo --impl eager,flash:kernel=naive', null],
  ['attn-diff doctor', null],
  ['node -p 1', null],
  ['VARIABLE=1 attn-diff demo', null],
])('%s', (command, args) => {
  expect(plainArguments(command)).toEqual(args);
});

describe.each(documented)('$document', ({ document, commands }) => {
  test.for(commands)(
    '$command',
    async ({ command, run, output, exitCode, isShared, isStarted }, context) => {
      context.skip(
        SWIFTSHADER === null && command.includes('webgpu'),
        'there is no SwiftShader to run WebGPU on',
      );
      context.skip(command.includes('cuda'), 'CUDA is not run by the tests');
      const actual = await executed(run, { document, isShared, isStarted });
      const shown = output === null ? ['…'] : maskedLines(output.join('\n'));
      expect(elideAs(shown, maskedLines(actual.output))).toEqual(shown);
      expect(actual.exitCode).toBe(exitCode);
    },
  );
});
