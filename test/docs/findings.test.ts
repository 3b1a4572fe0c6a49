import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { z } from 'zod';
import { findingLevel } from '../../src/metrics/index.js';
import { reportSchema } from '../../src/report/schema.js';
import { CAUSES, type Finding } from '../../src/types.js';
import { readDocument, ROOT, tablesBelow } from './documents.js';

const FOLDER = 'docs/findings';
const INDEX = readDocument(`${FOLDER}/README.md`);
const SECTIONS = [
  'Why it happens',
  'How it is found',
  'Example',
  'What to do',
  'When it may be ignored',
];

/** Every code that the schema allows, which is held to the types by the compiler. */
const CODES = reportSchema.shape.findings.element.options.flatMap(
  ({ shape: { code } }): Finding['code'][] =>
    code instanceof z.ZodEnum ? code.options : [...code.values],
);
const isCause = (code: Finding['code']): boolean => (CAUSES as readonly string[]).includes(code);

/** Code and level of each row below a heading of the index. */
function listed(heading: string): string[][] {
  const table = tablesBelow(INDEX, heading).at(-1)!;
  return table
    .map(([code, level]) => [/^\[`(.*)`\]\(\1\.md\)$/.exec(code!)![1]!, level!])
    .toSorted();
}

test('every code has a page, and every page a code', () => {
  expect(CODES.length).toBeGreaterThan(25);
  expect(readdirSync(join(ROOT, FOLDER)).toSorted()).toEqual(
    ['README.md', ...CODES.map((code) => `${code}.md`)].toSorted(),
  );
});

test('the index lists all of them with their levels, causes apart', () => {
  const expected = (codes: Finding['code'][]): string[][] =>
    codes.map((code) => [code, findingLevel({ code })]).toSorted();
  expect(listed('# Findings')).toEqual(expected(CODES.filter((code) => !isCause(code))));
  expect(listed('## Causes')).toEqual(expected(CODES.filter(isCause)));
});

test('docs/metrics.md says of each when it is found', () => {
  const codesOf = (heading: string, table: number): string[] => {
    const rows = tablesBelow(readDocument('docs/metrics.md'), heading)[table]!;
    const codes = rows.flatMap(([cell]) =>
      [...cell!.matchAll(/\[`([\w-]+)`\]\(findings\/\1\.md\)/g)].map(([, code]) => code!),
    );
    return codes.toSorted();
  };
  expect(codesOf('## Findings', 0)).toEqual(CODES.filter((code) => !isCause(code)).toSorted());
  expect(codesOf('## Causes', 1)).toEqual(CODES.filter(isCause).toSorted());
});

describe.each(CODES)('%s', (code) => {
  const page = readDocument(`${FOLDER}/${code}.md`);

  it('has the title, the level and the sections of all', () => {
    expect(page.split('\n').slice(0, 3)).toEqual([
      `# \`${code}\``,
      '',
      `Level: ${findingLevel({ code })}.`,
    ]);
    expect([...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual(SECTIONS);
  });

  it('shows it in the words of the tool, from a command', () => {
    const example = page.split('## Example\n')[1]!.split('\n## ')[0]!;
    expect(example).toMatch(/^```console\n(?:[^`]*\n)?\$ /m);
  });
});
