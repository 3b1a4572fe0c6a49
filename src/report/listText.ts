/** Things in a sentence: `a`, `a and b`, `a, b and c`. */
export function listText(items: readonly string[]): string {
  return [items.slice(0, -1).join(', '), ...items.slice(-1)]
    .filter((part) => part !== '')
    .join(' and ');
}
