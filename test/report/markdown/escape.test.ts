import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { code, fenced, inline, markdownTable } from '../../../src/report/markdown/escape.js';

// What is expected here was held against cmark-gfm, GitHub's own renderer: it shows the text on the left.
describe('text in Markdown', () => {
  it.each([
    ['a|b', 'a&#124;b'],
    ['a\\|b', String.raw`a\\&#124;b`],
    ['`rm` *now* _x_', '\\`rm\\` \\*now\\* \\_x\\_'],
    ['<img src=x> &amp; -->', '&lt;img src=x&gt; &amp;amp; --&gt;'],
    ['[a](b) ![c]', String.raw`\[a\](b) \!\[c\]`],
    ['~~gone~~ {x}', String.raw`\~\~gone\~\~ \{x\}`],
    ['two\r\nlines\u2028more\u001B[31m red\u0007', 'two lines more red'],
  ])('%j shows as it is', (text, written) => {
    expect(inline(text)).toBe(written);
  });

  it('mentions no user and no issue, links nothing and holds no formula', () => {
    expect(inline('@octocat flash@webgpu eager#2 $x$')).toBe(
      '<span>@</span>octocat flash<span>@</span>webgpu eager<span>#</span>2 <span>$</span>x<span>$</span>',
    );
    expect(inline('https://a.b www.a.b')).toBe('https:<span>//</span>a.b www<span>.</span>a.b');
  });

  it('is code that a table does not break', () => {
    expect(code('eager:scores=fp32')).toBe('`eager:scores=fp32`');
    expect(code('a|b`c')).toBe('<code>a&#124;b\\`c</code>');
    expect(code('')).toBe('');
    expect(code('x'.repeat(500))).toBe(`\`${'x'.repeat(119)}…\``);
  });

  it('fences code with more backticks than it holds', () => {
    expect(fenced(['attn-diff'], 'sh')).toEqual(['```sh', 'attn-diff', '```']);
    expect(fenced(["--prompt '````'"], 'sh')[0]).toBe('`````sh');
  });

  it('keeps a table in its cells, whatever they hold', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '|', '\\', '`', '\n', '\r', '<', '&', '#', '模', '\u2028'),
    });
    fc.assert(
      fc.property(text, text, (a, b) => {
        const lines = markdownTable(
          [{ head: inline(a) }, { head: code(b), align: 'right' }],
          [[code(a), inline(b)]],
        );
        expect(lines.join('\n').split('\n')).toHaveLength(3);
        expect(lines.map((line) => line.match(/\|/g)!.length)).toEqual([3, 3, 3]);
        expect(lines.join('').replaceAll(/(?<!\\)`[^`]*`/g, '')).not.toMatch(
          /<(?!\/?(?:code|span)>)/,
        );
      }),
    );
  });
});
