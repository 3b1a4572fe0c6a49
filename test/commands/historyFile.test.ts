import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openAppended } from '../../src/commands/historyFile.js';
import { TestFolder } from '../support/cli.js';

const folder = new TestFolder();
const BUILT = new URL('../../dist/commands/historyFile.js', import.meta.url).href;

describe('a file that is appended to', () => {
  it('gets its lines one after another, and is kept', () => {
    const path = folder.path('kept.jsonl');
    for (const line of ['1\n', '2\n']) {
      const output = openAppended(path);
      output.write(line);
      output.discard();
    }
    expect(readFileSync(path, 'utf8')).toBe('1\n2\n');
  });

  it('begins a new line where the last was cut off', () => {
    const path = folder.path('cut.jsonl');
    writeFileSync(path, '1\n{"schema');
    openAppended(path).write('2\n');
    openAppended(path).write('3\n');
    expect(readFileSync(path, 'utf8')).toBe('1\n{"schema\n2\n3\n');
  });

  it('is not left behind empty where nothing came of the work, unless it was there', () => {
    const [path, old] = [folder.path('new.jsonl'), folder.path('old.jsonl')];
    writeFileSync(old, '');
    for (const each of [path, old]) openAppended(each).discard();
    expect([existsSync(path), existsSync(old)]).toEqual([false, true]);
  });

  it('is left alone where another run has begun it meanwhile, and is there for one whose file was removed', () => {
    const path = folder.path('shared.jsonl');
    const [first, second] = [openAppended(path), openAppended(path)];
    second.write('2\n');
    first.discard();
    expect(readFileSync(path, 'utf8')).toBe('2\n');
    rmSync(path);
    second.write('3\n');
    expect(readFileSync(path, 'utf8')).toBe('3\n');
  });

  it('may be a link', () => {
    symlinkSync(folder.path('target.jsonl'), folder.path('link.jsonl'));
    openAppended(folder.path('link.jsonl')).write('1\n');
    expect(readFileSync(folder.path('target.jsonl'), 'utf8')).toBe('1\n');
  });

  it.each(
    process.getuid?.() === 0
      ? ['a folder', 'in no folder']
      : ['a folder', 'in no folder', 'read-only'],
  )('that is %s is refused before anything is done', (kind) => {
    const path = kind === 'in no folder' ? folder.path('none', 'h.jsonl') : folder.path(kind);
    if (kind === 'a folder') mkdirSync(path);
    if (kind === 'read-only') {
      writeFileSync(path, '');
      chmodSync(path, 0o444);
    }
    expect(() => openAppended(path)).toThrow(
      expect.objectContaining({ code: 'output-not-writable', exitCode: 2 }) as Error,
    );
  });

  it('takes whole lines from several processes at once', async () => {
    const path = folder.path('race.jsonl');
    const program = `
      const { openAppended } = await import(${JSON.stringify(BUILT)});
      const [, name] = process.argv;
      for (let i = 0; i < 150; i++) openAppended(${JSON.stringify(path)}).write(JSON.stringify({ name, i, long: name.repeat(3000) }) + '\\n');
    `;
    const names = ['a', 'b', 'c'];
    await Promise.all(
      names.map(
        (name) =>
          new Promise((resolve) =>
            spawn(process.execPath, ['--input-type=module', '--eval', program, name], {
              stdio: 'inherit',
            }).on('close', resolve),
          ),
      ),
    );
    // One that looks while another writes may take that line for one that was cut off, and put an empty line behind it.
    const lines = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { name: string; i: number; long: string });
    for (const name of names) {
      expect(lines.filter((line) => line.name === name).map(({ i }) => i)).toEqual(
        Array.from({ length: 150 }, (_, i) => i),
      );
    }
    expect(lines.every(({ name, long }) => long === name.repeat(3000))).toBe(true);
  });
});
