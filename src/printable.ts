import { stripVTControlCharacters } from 'node:util';

/** Scripts that are written with joiners between their letters. */
const JOINED = [
  'Arabic',
  'Syriac',
  'Mongolian',
  'Devanagari',
  'Bengali',
  'Gujarati',
  'Gurmukhi',
  'Kannada',
  'Malayalam',
  'Oriya',
  'Sinhala',
  'Tamil',
  'Telugu',
  'Khmer',
  'Myanmar',
]
  .map((script) => String.raw`\p{Script=${script}}`)
  .join('');
const PICTURE = String.raw`\p{Extended_Pictographic}\u{1F3FB}-\u{1F3FF}\uFE0F`;

/** Joiners and variation selectors where a script or an emoji needs them. */
const NEEDED = String.raw`(?<=[${JOINED}\p{Mn}\p{Mc}])[\u200C\u200D](?=[${JOINED}])|(?<=[${PICTURE}])\u200D(?=\p{Extended_Pictographic})|(?<=\p{Extended_Pictographic})[\uFE0E\uFE0F]`;
/** Characters that are not seen: those that turn the direction of writing, take no width, annotate, or are half a character. */
const UNSEEN = String.raw`\p{Default_Ignorable_Code_Point}|\p{Bidi_Control}|[\uFFF9-\uFFFB]|\p{Cs}`;
/** What ends a line, moves the cursor, or rings. */
const CONTROL = String.raw`[\p{Cc}\u2028\u2029]+`;

const SHOWN = new RegExp(`(${NEEDED})|(${UNSEEN})|${CONTROL}`, 'gu');
const PLAIN = /^[ -~]*$/;

/**
 * Any text as it may be shown anywhere, on one line: escape sequences are removed, control characters are spaces, and
 * characters that nobody sees are written out (`\u202E`), so that no name looks like another or turns what follows it.
 */
export function printable(text: string): string {
  return visible(text).trim();
}

/** The same, with the spaces that the text begins and ends with. */
export function visible(text: string): string {
  if (PLAIN.test(text)) return text;
  return stripVTControlCharacters(text).replaceAll(
    SHOWN,
    (match, needed: string | undefined, unseen: string | undefined) => {
      if (needed !== undefined) return needed;
      return unseen === undefined ? ' ' : escaped(match);
    },
  );
}

/** What GitHub Actions and Azure Pipelines take for a command wherever it stands in a line of a log. */
const COMMAND_ANYWHERE = /##(?=\[|vso\[)/g;
/** What GitHub Actions takes for one where a line begins with it, spaces aside. */
const COMMAND_FIRST = new RegExp(String.raw`^((?:\s|\u001B\[[\d;]*m)*):(?=:)`, 'gm');

/** Text for a terminal or the log of a CI server, in which no name is a command: a sign that looks the same stands for the first. */
export function terminalText(text: string): string {
  return text.replaceAll(COMMAND_FIRST, '$1∶').replaceAll(COMMAND_ANYWHERE, '#♯');
}

const ANY_UNSEEN = new RegExp(`${UNSEEN}|${CONTROL}`, 'u');

/** Whether any character of a text controls something, or is not seen. */
export function isUnseen(text: string): boolean {
  return !PLAIN.test(text) && ANY_UNSEEN.test(text);
}

const ESCAPED_IN_JSON = new RegExp(`[\\u007F-\\u009F\\u2028\\u2029]|${UNSEEN}`, 'gu');

/** JSON text in which the same characters are escapes, so that it says the same and prints safely, one line a value. */
export function printableJson(json: string): string {
  return json
    .replaceAll(COMMAND_ANYWHERE, String.raw`#\u0023`)
    .replaceAll(ESCAPED_IN_JSON, (match) =>
      [...Array(match.length).keys()].map((i) => escapedUnit(match.charCodeAt(i))).join(''),
    );
}

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  return code > 0xffff
    ? `\\u{${code.toString(16).toUpperCase()}}`
    : `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

function escapedUnit(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}
