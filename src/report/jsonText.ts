import { printableJson } from '../printable.js';

/** A value as JSON that prints safely: on one line, or indented by so many spaces. */
export function jsonText(value: unknown, indent?: number): string {
  return printableJson(JSON.stringify(value, null, indent));
}
