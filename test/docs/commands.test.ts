import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DOCUMENTS, readDocument, ROOT, shownCommands } from './documents.js';
import { SWIFTSHADER } from '../support/webgpu.js';
import { mask } from './mask.js';

let scratch: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'attn-diff-docs-'));
  mkdirSync(join(scratch, 'path'));
  const shim = join(scratch, 'path', 'attn-diff');
  writeFileSync(shim, `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'bin', 'attn-diff.js')}" "$@"\n`);
  chmodSync(shim, 0o755);
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A folder as the documents assume it: a model, a prompt file, and a clone's own folders. */
function folderFor(document: string): string {
  const folder = join(scratch, document.replaceAll(/\W/g, '-'));
  mkdirSync(folder);
  cpSync(join(ROOT, 'fixtures', 'qwen2-optimum'), join(folder, 'my-model'), { recursive: true });
  writeFileSync(join(folder, 'prompts.txt'), 'Good morning.\nThe bridge was closed, so everyone took the ferry.\n');
  for (const name of ['bin', 'fixtures']) symlinkSync(join(ROOT, name), join(folder, name));
  return folder;
}

function execute(command: string, folder: string): { output: string; exitCode: number | null } {
  const { stdout, status } = spawnSync('sh', ['-c', `{ ${command.replace(/^npx /, '')}\n} 2>&1`], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: [join(scratch, 'path'), process.env['PATH']].join(delimiter), NO_COLOR: '1', HOME: scratch, ORT_INTRA_OP_NUM_THREADS: '1', ...(command.includes('webgpu') ? SWIFTSHADER : {}) },
  });
  return { output: stdout, exitCode: status };
}

/** `actual` with lines left out where `shown` has `…`, as far as the two agree. */
function elideAs(shown: readonly string[], actual: readonly string[]): string[] {
  const result: string[] = [];
  let position = 0;
  for (const [i, line] of shown.entries()) {
    if (line === '…') {
      const following = shown.slice(i + 1, shown.indexOf('…', i + 1) < 0 ? undefined : shown.indexOf('…', i + 1));
      const start = actual.findIndex((_, at) => at >= position && following.every((text, offset) => actual[at + offset] === text));
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
  return mask(text.trimEnd(), ROOT).split('\n').map((line) => line.trimEnd());
}

const documented = DOCUMENTS.map((document) => ({ document, commands: shownCommands(readDocument(document)) })).filter(({ commands }) => commands.length > 0);

test('the documents show commands, and their output', () => {
  const commands = documented.flatMap((document) => document.commands);
  expect(documented.map(({ document }) => document)).toEqual(expect.arrayContaining(['README.md', 'CONTRIBUTING.md']));
  for (const name of ['run', 'demo', 'inspect', 'doctor']) expect(commands.some(({ command }) => command.includes(`attn-diff ${name}`))).toBe(true);
  expect(commands.filter(({ output }) => output !== null && output.length > 0).length).toBeGreaterThan(5);
});

describe.each(documented)('$document', ({ document, commands }) => {
  let folder: string;
  beforeAll(() => {
    folder = folderFor(document);
  });

  test.for(commands)('$command', ({ command, output, exitCode }, context) => {
    context.skip(SWIFTSHADER === null && command.includes('webgpu'), 'there is no SwiftShader to run WebGPU on');
    context.skip(command.includes('cuda'), 'CUDA is not run by the tests');
    const actual = execute(command, folder);
    const shown = output === null ? ['…'] : maskedLines(output.join('\n'));
    expect(elideAs(shown, maskedLines(actual.output))).toEqual(shown);
    expect(actual.exitCode).toBe(exitCode);
  });
});
