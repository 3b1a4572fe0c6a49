import { stripVTControlCharacters } from 'node:util';

const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uFF01-\uFF60]/u;
const ASCII = /^[ -~]*$/;
const NO_WIDTH = /[\p{M}\p{Cf}]/u;

/** The columns that a text takes in a terminal; colour codes take none. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const char of stripVTControlCharacters(text)) {
    if (!NO_WIDTH.test(char)) width += WIDE.test(char) ? 2 : 1;
  }
  return width;
}

/** The text with control characters (line ends and escape sequences included) made into spaces. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}

/** The text, cut with `…` where it takes more than `width` columns. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let cut = '';
  for (const char of text) {
    if (displayWidth(cut + char) > width - 1) break;
    cut += char;
  }
  return `${cut}…`;
}

/**
 * Breaks a plain text (no colour codes) at spaces into lines of at most `width` columns; a longer word is cut apart.
 *
 * @param indent what each line after the first begins with
 */
export function wrap(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  let line = '';
  let empty = true;
  const flush = (): void => {
    lines.push(line);
    line = indent;
    empty = true;
  };
  for (const word of printable(text).split(' ')) {
    let rest = word;
    if (!empty && displayWidth(`${line} ${rest}`) > width) flush();
    if (!empty) line += ' ';
    while (displayWidth(line + rest) > width) {
      const room = Math.max(2, width - displayWidth(line));
      const head = headOf(rest, room);
      line += head;
      rest = rest.slice(head.length);
      flush();
    }
    line += rest;
    empty = false;
  }
  if (!empty) lines.push(line);
  return lines;
}

function headOf(text: string, width: number): string {
  let head = '';
  for (const char of text) {
    if (displayWidth(head + char) > width) break;
    head += char;
  }
  return head;
}
