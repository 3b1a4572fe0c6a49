import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ciPlan, drawsProgress, isCi, tellCi } from '../../src/commands/ci.js';
import { FORMATS } from '../../src/report/index.js';
import { sampleReport, withoutGuard } from '../report/sample.js';

const folder = mkdtempSync(join(tmpdir(), 'attn-diff-ci-'));
afterAll(() => rmSync(folder, { recursive: true }));

const GITHUB = { CI: 'true', GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: '/tmp/summary.md' };
const TEXT = [{ format: 'text', path: null }] as const;
const BROKEN = sampleReport({ edit: withoutGuard });
const PLAIN = { width: 120, color: false };

function told(summary: string | null, annotations = false): string {
  let written = '';
  tellCi({ annotations, summary }, BROKEN, (text) => (written += text));
  return written;
}

describe('what CI is told', () => {
  it('is nothing outside GitHub Actions, or where it is switched off', () => {
    const nothing = { annotations: false, summary: null };
    expect(ciPlan({ CI: 'true', GITHUB_STEP_SUMMARY: '/tmp/summary.md' }, TEXT, true)).toEqual(
      nothing,
    );
    expect(ciPlan({ ...GITHUB, GITHUB_ACTIONS: 'false' }, TEXT, true)).toEqual(nothing);
    expect(ciPlan(GITHUB, TEXT, false)).toEqual(nothing);
    expect(told(null)).toBe('');
  });

  it('is annotations and the summary in GitHub Actions', () => {
    expect(ciPlan(GITHUB, TEXT, true)).toEqual({ annotations: true, summary: '/tmp/summary.md' });
    expect(ciPlan({ ...GITHUB, GITHUB_STEP_SUMMARY: '' }, TEXT, true)).toEqual({
      annotations: true,
      summary: null,
    });
    expect(ciPlan({ GITHUB_ACTIONS: 'true' }, TEXT, true)).toEqual({
      annotations: true,
      summary: null,
    });
  });

  it('is not what a report tells already', () => {
    expect(ciPlan(GITHUB, [{ format: 'github', path: null }], true)).toEqual({
      annotations: false,
      summary: '/tmp/summary.md',
    });
    expect(
      ciPlan(
        GITHUB,
        [
          { format: 'github', path: 'a.txt' },
          { format: 'markdown', path: '/tmp/summary.md' },
        ],
        true,
      ),
    ).toEqual({ annotations: true, summary: null });
  });

  it('goes to standard error, and to the end of the summary', () => {
    const path = join(folder, 'summary.md');
    writeFileSync(path, '## Of another step\n');
    expect(told(path, true)).toBe(FORMATS.github(BROKEN, PLAIN));
    expect(told(path)).toBe('');
    const markdown = FORMATS.markdown(BROKEN, PLAIN);
    expect(readFileSync(path, 'utf8')).toBe(`## Of another step\n\n${markdown}\n${markdown}`);
  });

  it('makes the summary where there is none', () => {
    const path = join(folder, 'new.md');
    expect(told(path)).toBe('');
    expect(readFileSync(path, 'utf8')).toBe(FORMATS.markdown(BROKEN, PLAIN));
  });

  it('leaves a summary alone that GitHub would drop, and says so in one line', () => {
    const path = join(folder, 'full.md');
    const full = 'x'.repeat(1024 * 1024 - 1000);
    writeFileSync(path, full);
    expect(told(path)).toMatch(
      /^::warning title=attn-diff::.*full\.md: the step summary cannot be written: .*1 MiB.*--no-ci leaves the summary out\.\n$/,
    );
    expect(readFileSync(path, 'utf8')).toBe(full);
  });

  it('says in one line that the summary cannot be written', () => {
    expect(told(join(folder, 'missing', 'summary.md'))).toMatch(
      /^::warning .*no such file or folder \(ENOENT\)\. [^\n]*\n$/,
    );
    expect(told(folder)).toMatch(/^::warning .*it is a folder \(EISDIR\)\. [^\n]*\n$/);
  });
});

describe('what changes by itself', () => {
  it('is drawn on a terminal, unless a CI server keeps it', () => {
    expect([
      drawsProgress(true, {}),
      drawsProgress(true, { CI: 'false' }),
      drawsProgress(true, { CI: 'true' }),
      drawsProgress(false, {}),
      drawsProgress(undefined, {}),
    ]).toEqual([true, true, false, false, false]);
    expect(
      ['true', '1', 'woodpecker', 'false', 'False', '0', ''].map((CI) => isCi({ CI })),
    ).toEqual([true, true, true, false, false, false, false]);
    expect(isCi({})).toBe(false);
  });
});
