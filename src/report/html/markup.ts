import { printableJson, visible } from '../../printable.js';

/** Text that is HTML already. */
export class Markup {
  constructor(readonly text: string) {}
}

export type Part = Markup | string | number | null | readonly Part[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A template of HTML. What is put in is text, and escaped, unless it is {@link Markup}; null is nothing, lists are joined. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(
    strings.map((text, i) => text + (i < parts.length ? written(parts[i]!) : '')).join(''),
  );
}

function written(part: Part): string {
  if (part === null) return '';
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.map(written).join('');
  return visible(String(part)).replaceAll(/[&<>"']/g, (char) => ENTITIES[char]!);
}

/** Data for a script, as JSON that ends no element that holds it. */
export function jsonMarkup(value: unknown): Markup {
  return new Markup(printableJson(JSON.stringify(value)).replaceAll('<', String.raw`\u003c`));
}
