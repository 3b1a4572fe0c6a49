import { Chalk, type ChalkInstance } from 'chalk';
import type { PageAssets } from '../../pageTypes.js';
import { displayWidth, printable, wrap } from './width.js';

export interface RenderOptions {
  /** Columns of the terminal; no line is longer, for 60 and more. */
  width: number;
  color: boolean;
  /** Script and style of an HTML page, which is without charts where they are missing. */
  page?: () => PageAssets;
}

/** What every part of a text report draws with. */
export interface Context {
  width: number;
  paint: ChalkInstance;
}

const NARROWEST = 60;
/** Prose longer than this is hard to read, however wide the terminal. */
const MEASURE = 100;

export function contextOf({ width, color }: RenderOptions): Context {
  return {
    width: Math.max(NARROWEST, Math.floor(width) || NARROWEST),
    paint: new Chalk({ level: color ? 1 : 0 }),
  };
}

/** Plain text broken into lines that fit; each line after the first is indented. */
export function prose(text: string, context: Context, indent = ''): string[] {
  return wrap(text, Math.min(context.width, MEASURE), indent);
}

/** Plain text that explains what stands beside it, set back in colour. */
export function noteLines(text: string, context: Context): string[] {
  return prose(text, context).map((line) => context.paint.dim(line));
}

/** The title of a part of the report. */
export function heading(title: string, context: Context): string {
  return context.paint.bold.cyan(title);
}

/**
 * Lines of `label  value`, the value broken and indented under itself; an empty label continues the one above. A label
 * that would leave the values less than half of the line stands above its own.
 */
export function facts(entries: readonly (readonly [string, string])[], context: Context): string[] {
  const width = Math.min(context.width, MEASURE);
  const shown = entries.map(([label, value]) => ({ label: printable(label), value }));
  const fitting = shown
    .map(({ label }) => displayWidth(label))
    .filter((taken) => taken + 2 <= width / 2);
  const labelWidth = Math.max(0, ...fitting) + 2;
  const indent = ' '.repeat(labelWidth);
  return shown.flatMap(({ label, value }) => {
    const lines = wrap(value, width - labelWidth);
    const taken = displayWidth(label);
    if (taken + 2 > labelWidth) {
      return [
        ...wrap(label, width).map((line) => context.paint.dim(line)),
        ...lines.map((line) => indent + line),
      ];
    }
    return lines.map(
      (line, index) =>
        (index === 0 ? context.paint.dim(label + ' '.repeat(labelWidth - taken)) : indent) + line,
    );
  });
}
