import type { Scope, Tap, TokenKind } from '../types.js';
import { TOKEN_KINDS } from '../types.js';

/**
 * The places of names in an order. The order is a record, so that a name that is missing from it does not compile
 * instead of coming before all others.
 */
export function ranksOf<T extends string>(
  order: Readonly<Record<T, true>>,
): Readonly<Record<T, number>> {
  return Object.fromEntries(Object.keys(order).map((name, rank) => [name, rank])) as Record<
    T,
    number
  >;
}

const TAP_RANK = ranksOf<Tap>({ attention: true, hidden: true, logits: true });
const SCOPE_RANK = ranksOf<Scope>({ accumulated: true, local: true });

interface Place {
  layer: number | null;
  tap: Tap;
}

/**
 * Compares two places by the way of the data through the model: attention of layer 0, hidden of layer 0,
 * attention of layer 1, …, logits (whose layer is null).
 *
 * @returns negative where `a` comes first, positive where `b` does, 0 for the same place
 */
export function comparePlaces(a: Place, b: Place): number {
  if (a.layer !== b.layer) {
    if (a.layer === null) return 1;
    if (b.layer === null) return -1;
    return a.layer - b.layer;
  }
  return TAP_RANK[a.tap] - TAP_RANK[b.tap];
}

/** As {@link comparePlaces}; at the same place the accumulated scope before the local, and valid before padding before fully masked. */
export function compareRows(
  a: Place & { scope: Scope; kind: TokenKind },
  b: Place & { scope: Scope; kind: TokenKind },
): number {
  return (
    comparePlaces(a, b) ||
    SCOPE_RANK[a.scope] - SCOPE_RANK[b.scope] ||
    TOKEN_KINDS.indexOf(a.kind) - TOKEN_KINDS.indexOf(b.kind)
  );
}

/**
 * The worst number of a list: the largest, and NaN where there is any.
 *
 * @param values any number of values; 0 where there is none
 */
export function worst(values: Iterable<number>): number {
  let result = 0;
  for (const value of values) {
    if (Number.isNaN(value)) return NaN;
    if (value > result) result = value;
  }
  return result;
}
