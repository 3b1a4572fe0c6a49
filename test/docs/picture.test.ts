import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readDocument, ROOT } from './documents.js';
import { mask } from './mask.js';

/** Largest picture that a page should have to load. */
const MAX_BYTES = 60_000;

/** What a picture shows, line by line. */
function textOf(svg: string): string[] {
  const lines = [...svg.matchAll(/<text [^>]*>(.*)<\/text>/g)].map(([, line]) =>
    line!.replaceAll(/<[^>]*>/g, ''),
  );
  return mask(
    lines.join('\n').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
    ROOT,
  ).split('\n');
}

// If it fails, draw the picture anew: npm run picture.
test('docs/demo.svg shows what the demo prints', () => {
  const stdout = execFileSync(
    process.execPath,
    [join(ROOT, 'scripts', 'demoPicture.js'), '--print'],
    { encoding: 'utf8' },
  );
  const committed = readDocument('docs/demo.svg');
  expect(textOf(committed).length).toBeGreaterThan(40);
  expect(textOf(committed)).toEqual(textOf(stdout));
  expect(committed).not.toContain(ROOT);
  expect(Buffer.byteLength(committed)).toBeLessThan(MAX_BYTES);
});
