import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DOCUMENTS, readDocument, ROOT } from './documents.js';

/** GitHub's anchors of a document's headings. */
function anchors(markdown: string): string[] {
  const text = markdown.replaceAll(/^```[^]*?^```$/gm, '');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-'));
}

function internalLinks(markdown: string): string[] {
  const text = markdown.replaceAll(/^```[^]*?^```$/gm, '').replaceAll(/`[^`\n]*`(?!\])/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!).filter((target) => !/^https?:/.test(target));
}

const links = DOCUMENTS.flatMap((document) => internalLinks(readDocument(document)).map((target) => ({ document, target })));

test('there are links', () => {
  expect(links.length).toBeGreaterThan(20);
});

describe.each(links)('$document → $target', ({ document, target }) => {
  const [path, anchor] = target.split('#') as [string, string | undefined];
  const file = path === '' ? join(ROOT, document) : join(ROOT, dirname(document), path);

  test('resolves', () => {
    expect(existsSync(file)).toBe(true);
    expect(anchor === undefined || anchors(readFileSync(file, 'utf8')).includes(anchor)).toBe(true);
  });
});
