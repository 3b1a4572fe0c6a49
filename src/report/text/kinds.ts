import type { TokenKind } from '../../types.js';

/** Kinds of token as they are written for a reader. */
export const KIND_TEXT: Record<TokenKind, string> = {
  valid: 'valid',
  padding: 'padding',
  fullyMasked: 'fully masked',
};

/** A label as it stands in a table; the reference is marked. */
export function labelText(implementation: string, isReference: boolean): string {
  return implementation + (isReference ? ' *' : '');
}

/** `layer 3, attention`; the logits have no layer. */
export function placeText(layer: number | null, tap: string | null): string {
  if (layer === null) return tap ?? 'no place';
  return tap === null ? `layer ${layer}` : `layer ${layer}, ${tap}`;
}

/** Numbers in ascending order with runs joined: `0–3, 7`. */
export function rangesText(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const value of numbers) {
    const run = runs.at(-1);
    if (run && value === run[1] + 1) run[1] = value;
    else runs.push([value, value]);
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}–${to}`)).join(', ');
}
