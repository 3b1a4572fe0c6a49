import { stripVTControlCharacters } from 'node:util';
import { printable } from '../../printable.js';

export { printable };

const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uFF01-\uFF60]/u;
const ASCII = /^[ -~]*$/;
const NO_WIDTH = /[\p{M}\p{Cf}]/u;

/** The columns that a text takes in a terminal; colour codes take none. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const char of stripVTControlCharacters(text)) width += charWidth(char);
  return width;
}

function charWidth(char: string): number {
  if (ASCII.test(char)) return 1;
  if (NO_WIDTH.test(char)) return 0;
  return WIDE.test(char) ? 2 : 1;
}

/** The longest beginning of a text that takes no more than so many columns; read no further than that. */
function headOf(text: string, width: number): string {
  let taken = 0;
  let end = 0;
  for (const char of text) {
    taken += charWidth(char);
    if (taken > width) break;
    end += char.length;
  }
  return text.slice(0, end);
}

/** The text, cut with `…` where it takes more than `width` columns. */
export function truncate(text: string, width: number): string {
  if (headOf(text, width).length === text.length || displayWidth(text) <= width) return text;
  return `${headOf(text, Math.max(0, width - 1))}…`;
}

/** No line is narrower, however little room its indent leaves. */
const NARROWEST_LINE = 2;

/**
 * Breaks a plain text (no colour codes) at spaces into lines of at most `width` columns; a longer word is cut apart.
 *
 * @param indent what each line after the first begins with
 */
export function wrap(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  const room = Math.max(NARROWEST_LINE, width);
  const indentRoom = Math.max(NARROWEST_LINE, room - displayWidth(indent));
  let line = '';
  let left = room;
  let empty = true;
  const flush = (): void => {
    lines.push(line);
    line = indent;
    left = indentRoom;
    empty = true;
  };
  for (const word of printable(text).split(' ')) {
    let rest = word;
    const needed = displayWidth(word);
    if (!empty && needed + 1 > left) flush();
    if (!empty) {
      line += ' ';
      left -= 1;
    }
    for (let remaining = needed; remaining > left;) {
      // One character at least, so that this ends.
      const head = headOf(rest, left) || String.fromCodePoint(rest.codePointAt(0)!);
      line += head;
      rest = rest.slice(head.length);
      remaining -= displayWidth(head);
      flush();
      if (rest === '') break;
    }
    if (rest === '' && word !== '') continue;
    line += rest;
    left -= displayWidth(rest);
    empty = false;
  }
  if (!empty) lines.push(line);
  return lines;
}
