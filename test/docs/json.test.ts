import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TokenMap, TokenMapStream } from '../../src/types.js';
import { readDocument, ROOT } from './documents.js';

const PAGE = readDocument('docs/json.md');

// If it fails, write the reference anew: npm run reference.
test('the reference of fields is what the schema says', () => {
  const made = execFileSync(
    process.execPath,
    [join(ROOT, 'scripts', 'jsonReference.js'), '--print'],
    { encoding: 'utf8' },
  );
  expect(made).toContain('| `relL2` | number * |');
  expect(PAGE).toBe(made);
});

test('the JavaScript that reads maps gives what the bytes stand for', async () => {
  const block = /^```js\n([^]*?)^```$/m.exec(PAGE)![1]!;
  const { relativeL2 } = (await import(
    /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(block)}`
  )) as { relativeL2: (map: TokenMap, stream: TokenMapStream) => number[][] };
  const stream: TokenMapStream = {
    implementation: 'flash',
    scope: 'accumulated',
    layers: [0, null],
    relL2: Buffer.from([0, 1, 64, 127, 190, 253, 254, 255]).toString('base64'),
  };
  const map: TokenMap = { batch: 'left', size: 2, length: 2, kinds: 'mvvv', streams: [stream] };
  // A step is 16/252 of a decade, so that 63 of them are four decades.
  expect(relativeL2(map, stream)).toEqual([
    [0, 1e-12, expect.closeTo(1e-8, 20), expect.closeTo(1e-4, 16)],
    [expect.closeTo(1, 12), 1e4, Infinity, NaN],
  ]);
});
