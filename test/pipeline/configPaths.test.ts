import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { outsideKeys } from '../../src/pipeline/configPaths.js';

const root = mkdtempSync(join(tmpdir(), 'attn-diff-paths-'));
afterAll(() => rmSync(root, { recursive: true }));
const home = join(root, 'home');
mkdirSync(join(home, 'reports'), { recursive: true });
mkdirSync(join(root, 'elsewhere'));
writeFileSync(join(root, 'elsewhere', 'prompts.txt'), '');
const at = (...parts: string[]): string => join(home, ...parts);

const places = (raw: Parameters<typeof outsideKeys>[1]): unknown[] =>
  outsideKeys(home, raw).map(
    ({ key, place, isWritten }) => `${key} ${place}${isWritten ? ' written' : ''}`,
  );

describe('the paths of a configuration', () => {
  it('are its own below its folder, there or not', () => {
    expect(
      places({
        output: at('report.txt'),
        history: at('new', 'runs.jsonl'),
        report: [`html=${at('reports', 'page.html')}`, `json=${at('reports', '..', 'r.json')}`],
        prompts: at('missing.txt'),
      }),
    ).toEqual([]);
  });

  it.each([
    ['above it', at('..', 'report.txt')],
    ['elsewhere', join(root, 'elsewhere', 'report.txt')],
    ['in a folder whose name begins alike', `${home}-2/report.txt`],
    ['at the root', '/'],
  ])('lead out of it: %s', (_, path) => {
    expect(places({ output: path, report: [`html=${path}`], history: path })).toEqual([
      'output outside written',
      'history outside written',
      'report.html outside written',
    ]);
  });

  it.skipIf(process.platform === 'win32')(
    'lead out of it by links to folders, to files, and to files that are not there',
    () => {
      symlinkSync(join(root, 'elsewhere'), at('folder'));
      symlinkSync(join(root, 'elsewhere', 'prompts.txt'), at('file.txt'));
      symlinkSync(join('..', 'elsewhere', 'missing.txt'), at('dangling.txt'));
      symlinkSync(at('reports'), at('inside'));
      expect(places({ output: at('folder', 'report.txt') })).toEqual(['output outside written']);
      expect(places({ output: at('folder', 'new', 'report.txt') })).toEqual([
        'output outside written',
      ]);
      expect(places({ output: at('file.txt') })).toEqual(['output outside written']);
      expect(places({ output: at('dangling.txt') })).toEqual(['output outside written']);
      expect(places({ output: at('inside', 'report.txt') })).toEqual([]);
      symlinkSync(at('loop'), at('loop'));
      expect(places({ output: at('loop') })).toEqual([]);
    },
  );

  it.each([
    ['.git', 'config'],
    ['.github', 'workflows', 'ci.yml'],
    ['.npmrc'],
    ['node_modules', 'x', 'index.js'],
  ])('write where other programs take code from: %s', (...parts) => {
    expect(places({ output: at(...parts), prompts: at(...parts) })).toEqual([
      'output tools written',
    ]);
  });

  it('are read from outside, and a name of the hub is no path', () => {
    expect(
      places({
        model: join(root, 'elsewhere'),
        prompts: '/etc/passwd',
        data: at('d.jsonl'),
        mask: at('..', 'mask.npy'),
        baseline: at('b.json'),
      }),
    ).toEqual(['model outside', 'prompts outside', 'mask outside']);
    expect(places({ model: '../owner/name' })).toEqual([]);
  });
});
