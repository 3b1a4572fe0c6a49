import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { displayWidth, printable, truncate, wrap } from '../../src/report/text/width.js';

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.lorem(),
  fc.constantFrom('模型 model', '/a/long/path'.repeat(9)),
);

describe('text that fits', () => {
  it('measures wide characters as two columns and colour as none', () => {
    expect(displayWidth('模型')).toBe(4);
    expect(displayWidth('\u001B[31mNaN\u001B[39m')).toBe(3);
    expect(displayWidth('max|Δ| − ‖x‖ ◀')).toBe(14);
  });

  it('breaks at spaces and cuts only what is longer than a line', () => {
    expect(wrap('one two three', 8)).toEqual(['one two', 'three']);
    expect(wrap('one two three', 8, '  ')).toEqual(['one two', '  three']);
    expect(wrap('abcdefghijkl', 5)).toEqual(['abcde', 'fghij', 'kl']);
    expect(wrap('', 5)).toEqual(['']);
  });

  it('never makes a line too long and never loses a character', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 10, max: 40 }), (value, width) => {
        const lines = wrap(value, width);
        for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width);
        expect(lines.join('').replaceAll(' ', '')).toBe(printable(value).replaceAll(' ', ''));
      }),
    );
  });

  it('ends, and loses nothing, where there is no room at all', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: -100, max: 9 }), fc.nat(40), (value, width, indent) => {
        const lines = wrap(value, width, ' '.repeat(indent));
        expect(lines.join('').replaceAll(' ', '')).toBe(printable(value).replaceAll(' ', ''));
      }),
    );
    expect(wrap('label'.repeat(20_000), 20)).toHaveLength(5000);
  });

  it('cuts with an ellipsis', () => {
    expect(truncate('implementation', 6)).toBe('imple…');
    expect(truncate('模型模型', 5)).toBe('模型…');
    expect(truncate('short', 6)).toBe('short');
  });

  it('makes control characters into spaces', () => {
    expect(printable('a\r\nb\u001B[2Jc\u0000d\u2028e')).toBe('a bc d e');
  });
});
