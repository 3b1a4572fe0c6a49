import { printable } from '../text/width.js';

/** Longer cells are cut. */
const LONGEST_CODE = 120;

/** What Markdown would take for more than itself. */
const PUNCTUATION = /[\\`*_{}[\]~!]/g;
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '|': '&#124;',
};

/** The text with `…` at its end where it has more characters than that. */
export function cut(text: string, longest: number): string {
  const characters = [...text];
  return characters.length <= longest ? text : `${characters.slice(0, longest - 1).join('')}…`;
}

/**
 * Any text as GitHub's Markdown that shows just it, on one line, in a paragraph, a list or a table: no markup, no HTML,
 * no link, no formula, and no mention of a user or an issue.
 */
export function inline(text: string): string {
  return printable(text)
    .replaceAll(/[&<>|]/g, (char) => ENTITIES[char]!)
    .replaceAll(PUNCTUATION, String.raw`\$&`)
    .replaceAll(/(?<!&)#|[$@]|(?<=:)\/\/|(?<=www)\./gi, (mark) => `<span>${mark}</span>`);
}

/** Any text in the type of code, on one line, in a table too. */
export function code(text: string): string {
  const shown = cut(printable(text), LONGEST_CODE);
  if (shown === '') return '';
  return /[`|\\]/.test(shown) ? `<code>${inline(shown)}</code>` : `\`${shown}\``;
}

/** A block of code, whatever it holds. */
export function fenced(lines: readonly string[], language: string): string[] {
  const longest = Math.max(
    2,
    ...lines.flatMap((line) => (line.match(/`+/g) ?? []).map(({ length }) => length)),
  );
  const fence = '`'.repeat(longest + 1);
  return [`${fence}${language}`, ...lines, fence];
}

/** A table whose cells are Markdown; the first column and those of text stand left, numbers right. */
export function markdownTable(
  columns: readonly { head: string; align?: 'right' }[],
  rows: readonly (readonly string[])[],
): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(columns.map(({ head }) => head)),
    line(columns.map(({ align }) => (align === 'right' ? '--:' : '---'))),
    ...rows.map(line),
  ];
}

/** A part that is shown when it is asked for. */
export function details(summary: string, lines: readonly string[]): string[] {
  return lines.length === 0
    ? []
    : ['<details>', `<summary>${summary}</summary>`, '', ...lines, '', '</details>'];
}
