import type { Batch, Row, TokenKind, TokenMap, TokenMapStream, TokenStats } from '../types.js';

/** Batches of which a report keeps a map. */
const MOST_MAPS = 4;

const LETTER: Readonly<Record<TokenKind, string>> = { valid: 'v', padding: 'p', fullyMasked: 'm' };

/** The decimal exponents that the bytes 1 and 253 stand for; those between are spread evenly. */
const MAP_EXPONENTS = [-12, 4] as const;
const MAP_INFINITE = 254;
const MAP_NAN = 255;
const LARGEST = 253;

/**
 * One byte for a relative L2 (no unit): 0 for exactly 0; 1 to 253 for log₁₀ from −12 to 4, rounded and clamped, a step
 * being 16/252 of a decade; 254 for an infinite one, which also is x/0; 255 for NaN.
 */
export function mapByte(relL2: number): number {
  if (Number.isNaN(relL2)) return MAP_NAN;
  if (relL2 === Infinity) return MAP_INFINITE;
  if (relL2 === 0) return 0;
  const [low, high] = MAP_EXPONENTS;
  return Math.max(
    1,
    Math.min(LARGEST, Math.round(1 + ((Math.log10(relL2) - low) / (high - low)) * (LARGEST - 1))),
  );
}

/**
 * Where in a batch implementations part: for each layer and token ‖Δ‖ / ‖ref‖ (0/0 is 0, x/0 is infinite; NaN where the
 * tensor or the difference has a NaN). Of the local scope the attention, of the accumulated one the hidden states and
 * the logits. The reference, which differs from itself nowhere, is there only where it is not finite.
 *
 * @param stats the records of one batch, arrays of [size·length]; a token that was not measured is 0
 */
export function tokenMap(
  stats: readonly TokenStats[],
  { name, size, length, kinds }: Pick<Batch, 'name' | 'size' | 'length' | 'kinds'>,
  reference: string,
): TokenMap {
  const shown = stats.filter(({ tap, scope }) =>
    scope === 'local' ? tap === 'attention' : tap !== 'attention',
  );
  const streams = new Map<string, TokenStats[]>();
  for (const record of shown) {
    const key = JSON.stringify([record.implementation, record.scope]);
    streams.set(key, [...(streams.get(key) ?? []), record]);
  }
  return {
    batch: name,
    size,
    length,
    kinds: kinds.map((kind) => LETTER[kind]).join(''),
    streams: [...streams.values()]
      .map((records) => streamMap(records, kinds.length))
      .filter(
        ({ implementation, bytes }) =>
          implementation !== reference || bytes.some((byte) => byte !== 0),
      )
      .map(({ bytes, ...stream }) => ({ ...stream, relL2: Buffer.from(bytes).toString('base64') })),
  };
}

function streamMap(
  records: readonly TokenStats[],
  tokens: number,
): Omit<TokenMapStream, 'relL2'> & { bytes: Uint8Array } {
  const sorted = records.toSorted((a, b) => (a.layer ?? Infinity) - (b.layer ?? Infinity));
  const { implementation, scope } = sorted[0]!;
  const bytes = new Uint8Array(sorted.length * tokens);
  for (const [row, { l2Delta, l2Ref, nan, measured }] of sorted.entries()) {
    for (let token = 0; token < tokens; token++) {
      if (measured?.[token] === 0) continue;
      const [delta, norm] = [l2Delta[token]!, l2Ref[token]!];
      bytes[row * tokens + token] = mapByte(nan[token]! > 0 ? NaN : delta === 0 ? 0 : delta / norm);
    }
  }
  return { implementation, scope, layers: sorted.map(({ layer }) => layer), bytes };
}

/**
 * The maps of the batches that part most, by their worst relative L2 on valid tokens, NaN before all; of equals the
 * first. They come back in the order in which they were.
 *
 * @param rows rows of these batches, at least
 */
export function worstMaps(maps: readonly TokenMap[], rows: readonly Row[]): TokenMap[] {
  const worst = new Map<string, number>();
  for (const { batch, kind, relL2 } of rows) {
    if (kind === 'valid')
      worst.set(batch, Math.max(worst.get(batch) ?? 0, Number.isNaN(relL2) ? Infinity : relL2));
  }
  const kept = new Set(
    maps
      .toSorted((a, b) => descending(worst.get(a.batch) ?? 0, worst.get(b.batch) ?? 0))
      .slice(0, MOST_MAPS),
  );
  return maps.filter((map) => kept.has(map));
}

function descending(a: number, b: number): number {
  return a === b ? 0 : b - a;
}
