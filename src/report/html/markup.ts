/** Text that is HTML already. */
export class Markup {
  constructor(readonly text: string) {}
}

export type Part = Markup | string | number | null | readonly Part[];

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Line ends and other control characters; those that turn the direction of writing could make one name look like another. */
const UNSEEN = /[\p{Cc}\u2028\u2029]+|\p{Bidi_Control}/gu;

/** Any text as it is shown on the page: without characters that control instead of being seen. */
export function shown(text: string): string {
  return text.replaceAll(UNSEEN, ' ');
}

/** A template of HTML. What is put in is text, and escaped, unless it is {@link Markup}; null is nothing, lists are joined. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((text, i) => text + (i < parts.length ? written(parts[i]!) : '')).join(''));
}

function written(part: Part): string {
  if (part === null) return '';
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.map(written).join('');
  return shown(String(part)).replaceAll(/[&<>"']/g, (char) => ENTITIES[char]!);
}

/** Data for a script, as JSON that ends no element that holds it. */
export function jsonMarkup(value: unknown): Markup {
  return new Markup(JSON.stringify(value).replaceAll('<', String.raw`\u003c`).replaceAll('\u2028', String.raw`\u2028`).replaceAll('\u2029', String.raw`\u2029`));
}
