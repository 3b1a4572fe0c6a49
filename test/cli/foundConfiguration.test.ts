import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { call, expectRefusal, TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

const folder = new TestFolder();
const MODEL = { model: fixture('qwen2-head64'), random: '1x8', padding: 'right' };

/** A folder as one that was cloned, with a configuration of its own. */
function cloned(name: string, content: object): string {
  const path = folder.path(name);
  mkdirSync(path);
  writeFileSync(join(path, 'attn-diff.config.json'), JSON.stringify({ ...MODEL, ...content }));
  return path;
}

describe.skipIf(process.platform === 'win32')('a configuration that was found', () => {
  it.each([
    ['an absolute path', (victim: string) => ({ report: { html: victim } })],
    ['a path above', () => ({ output: '../victim.txt' })],
    ['a history above', () => ({ history: '../victim.txt' })],
    ['a link', () => ({ output: 'link.txt' })],
  ])('does not write outside of its folder, by %s', async (name, content) => {
    const victim = await folder.write('victim.txt', 'precious');
    const path = cloned(name.replaceAll(' ', '-'), content(victim));
    symlinkSync(victim, join(path, 'link.txt'));
    const result = await call(['run'], { cwd: path });
    expectRefusal(
      result,
      EXIT.usage,
      'is not below its folder',
      'attn-diff.config.json:1, ',
      '--config attn-diff.config.json',
    );
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(readdirSync(path).toSorted()).toEqual(['attn-diff.config.json', 'link.txt']);
  });

  it('does not write where git takes what it runs from', async () => {
    const path = cloned('tools', { report: { text: '.git/config' } });
    mkdirSync(join(path, '.git'));
    expectRefusal(
      await call(['run'], { cwd: path }),
      EXIT.usage,
      'in a folder that programs take code from',
    );
    expect(readdirSync(join(path, '.git'))).toEqual([]);
  });

  it('may write there where somebody names it, and then weakens the gate all the same, which is said', async () => {
    const path = cloned('named', {
      output: '../named.txt',
      failOn: 'none',
      budgets: [{ metric: 'rel-l2', max: 9 }],
      ci: false,
    });
    const { code, stdout, stderr } = await call(
      ['run', '--config', 'attn-diff.config.json', '--report', 'csv'],
      { cwd: path },
    );
    expect({ code, stderr }).toEqual({ code: EXIT.passed, stderr: '' });
    expect(stdout).toMatch(/^implementation,|^batch,/);
    const text = readFileSync(folder.path('named.txt'), 'utf8');
    expect(text).toMatch(
      /^attn-diff .*\n\nConfig +attn-diff\.config\.json\n +gate weakened: failOn none \(usually nan\); /,
    );
  });

  it('is named first, with what it weakens, in what it writes and beside what has no room for it', async () => {
    const path = cloned('weak', {
      failOn: 'none',
      budgets: [{ metric: 'rel-l2', max: 9 }],
      report: { csv: 'rows.csv', json: 'attn-diff.json' },
    });
    const { code, stdout, stderr } = await call(['run'], { cwd: path });
    expect(code).toBe(EXIT.passed);
    expect(stdout.replaceAll(/\n +/g, ' ')).toMatch(
      /^attn-diff .*\n\nConfig +attn-diff\.config\.json, found in the current folder ! gate weakened: failOn none \(usually nan\); padding right \(usually left,right\); budgets\[0\]\.max: rel-l2 9 \(usually 1e-4\)/,
    );
    expect(stderr).toMatch(
      /^attn-diff: configuration: attn-diff\.config\.json, found in the current folder; gate weakened: failOn none [^\n]+\n$/,
    );
    expect(JSON.parse(readFileSync(join(path, 'attn-diff.json'), 'utf8'))).toMatchObject({
      configFile: 'attn-diff.config.json',
      configuration: { isFound: true, outside: [{ key: 'model', path: MODEL.model }] },
    });
    expect(existsSync(join(path, 'rows.csv'))).toBe(true);
  });
});
