import type { PageColumn, PageData, PageTable } from '../../pageTypes.js';
import { overBatches } from '../../metrics/index.js';
import type { Check, DiffReport, TokenMap, TokenMapStream } from '../../types.js';
import { checkPlace, checkTitle, sourceText } from '../checkText.js';
import { visible } from '../../printable.js';

/** Digits of a number on the page, which shows three; the JSON report has all. */
const DIGITS = 6;
/** The bytes of a map between which numbers other than 0 are: see metrics/tokenMap.ts. */
const NUMBERS = [1, 253] as const;

/** What the page's script draws of a report. Control characters in names become spaces. */
export function pageData({
  reference,
  implementations,
  batches,
  model,
  rows,
  effects,
  ranges,
  verdict,
  maps,
}: DiffReport): PageData {
  return {
    reference: visible(reference),
    implementations: implementations.map(({ name, rounding }) => ({
      name: visible(name),
      rounding,
    })),
    batches: batches.map(({ name }) => visible(name)),
    layers: model.layers,
    tables: {
      rows: pageTable(rows),
      effects: pageTable(effects, false),
      ranges: pageTable(ranges),
      checks: pageTable(verdict.checks.map(checkLine), false),
    },
    overall: pageTable(overBatches(ranges)),
    ...pageMaps(maps),
  };
}

/** A check as a line of a table. */
function checkLine(check: Check): Record<string, number | string | null> {
  const { level, implementation, operator, expected, actual, source, passed } = check;
  return {
    passed: passed ? 'passed' : level === 'error' ? 'failed' : 'warning',
    check: checkTitle(check),
    implementation,
    place: checkPlace(check),
    actual,
    operator,
    expected,
    source: sourceText(source),
  };
}

/** Objects with the same keys as columns. Where numbers are rounded, to six digits, cosines are not: what matters of them is how far from 1 they are. */
function pageTable<T extends object>(lines: readonly T[], isRounded = true): PageTable {
  const [first] = lines;
  const names = first === undefined ? [] : (Object.keys(first) as (keyof T & string)[]);
  return {
    length: lines.length,
    columns: Object.fromEntries(
      names.map((name) => [
        name,
        columnOf(
          lines.map((line) => line[name]),
          isRounded && !name.endsWith('Cosine'),
        ),
      ]),
    ),
  };
}

function columnOf(values: readonly unknown[], isRounded: boolean): PageColumn {
  if (values.every((value) => value === null || typeof value === 'number'))
    return {
      words: null,
      values: values.map((value) => (value === null ? null : numberValue(value, isRounded))),
    };
  const words = [...new Set(values)];
  const index = new Map(words.map((word, i) => [word, i]));
  return {
    words: words.map((word) => (word === null ? null : visible(String(word)))),
    values: values.map((value) => index.get(value)!),
  };
}

function numberValue(value: number, isRounded: boolean): number | string {
  if (!Number.isFinite(value)) return String(value);
  return isRounded ? Number(value.toPrecision(DIGITS)) : value;
}

/** For each byte whether some valid token has it. */
function bytesOf(kinds: string, { relL2 }: TokenMapStream): Uint8Array {
  const seen = new Uint8Array(256);
  for (const [i, byte] of Buffer.from(relL2, 'base64').entries())
    if (kinds[i % kinds.length] === 'v') seen[byte] = 1;
  return seen;
}

/** Maps, and between which bytes the numbers in them are. */
function pageMaps(maps: readonly TokenMap[]): Pick<PageData, 'maps' | 'mapBytes'> {
  const [least, largest] = NUMBERS;
  const all = maps.map((map) => ({
    map,
    bytes: map.streams.map((stream) => bytesOf(map.kinds, stream)),
  }));
  const numbers = all
    .flatMap(({ bytes }) => bytes)
    .flatMap((seen) => [seen.indexOf(1, least), seen.lastIndexOf(1, largest)])
    .filter((byte) => byte >= least && byte <= largest);
  return {
    maps: all.map(({ map, bytes }) => {
      const worst = bytes.map((seen) => seen.lastIndexOf(1));
      return {
        ...map,
        batch: visible(map.batch),
        streams: map.streams.map((stream) => ({
          ...stream,
          implementation: visible(stream.implementation),
        })),
        worst: worst.indexOf(Math.max(...worst)),
      };
    }),
    mapBytes: numbers.length === 0 ? null : [Math.min(...numbers), Math.max(...numbers)],
  };
}
