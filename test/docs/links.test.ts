import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DOCUMENTS, readDocument, ROOT } from './documents.js';

/** GitHub's anchors of a document's headings. */
function anchors(markdown: string): string[] {
  const text = markdown.replaceAll(/^```[^]*?^```$/gm, '');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function internalLinks(markdown: string): string[] {
  const text = markdown.replaceAll(/^```[^]*?^```$/gm, '').replaceAll(/`[^`\n]*`(?!\])/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^https?:/.test(target));
}

const links = DOCUMENTS.flatMap((document) =>
  internalLinks(readDocument(document)).map((target) => ({ document, target })),
);

test('there are links', () => {
  expect(links.length).toBeGreaterThan(20);
});

test('every page can be reached from the README, and from the guide those of what is in daily use', () => {
  const from = (document: string): string[] =>
    links
      .filter((link) => link.document === document)
      .map(({ target }) => join(dirname(document), target.split('#')[0]!))
      .filter((path) => DOCUMENTS.includes(path));
  const reached = new Set(['README.md']);
  for (const document of reached) for (const path of from(document)) reached.add(path);
  expect(DOCUMENTS.filter((document) => !reached.has(document))).toEqual([]);
  const guide = [
    'api',
    'baselines',
    'ci',
    'configuration',
    'fine-tuning',
    'formats',
    'gate',
    'html',
    'json',
    'many-machines',
    'metrics',
    'findings/README',
  ];
  expect(from('docs/guide.md')).toEqual(
    expect.arrayContaining(guide.map((name) => `docs/${name}.md`)),
  );
});

describe.each(links)('$document → $target', ({ document, target }) => {
  const [path, anchor] = target.split('#') as [string, string | undefined];
  const file = path === '' ? join(ROOT, document) : join(ROOT, dirname(document), path);

  test('resolves', () => {
    expect(existsSync(file)).toBe(true);
    expect(anchor === undefined || anchors(readFileSync(file, 'utf8')).includes(anchor)).toBe(true);
  });
});
