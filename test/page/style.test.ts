import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const style = readFileSync(new URL('../../src/page/page.css', import.meta.url), 'utf8');
const colours = new Map(
  [...style.matchAll(/--([\w-]+): light-dark\((#[\da-f]{6}), (#[\da-f]{6})\)/g)].map(
    ([, name, light, dark]) => [name!, [light!, dark!] as const],
  ),
);

/** Relative luminance as WCAG 2 defines it. */
function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5]
    .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4)) as [
    number,
    number,
    number,
  ];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].toSorted((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

// WCAG 2 AA asks for 4.5 of text, and for 3 of what a chart is drawn in.
test.each([...colours.keys()].filter((name) => !['paper', 'panel', 'line'].includes(name)))(
  '%s can be read on paper and on panels, in both themes',
  (name) => {
    const least = name.startsWith('series') || name === 'nan' ? 3 : 4.5;
    for (const theme of [0, 1] as const) {
      for (const behind of ['paper', 'panel'])
        expect(
          contrast(colours.get(name)![theme], colours.get(behind)![theme]),
        ).toBeGreaterThanOrEqual(least);
    }
  },
);

test('the colours were found', () => expect(colours.size).toBeGreaterThan(12));
