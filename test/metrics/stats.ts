import type { Batch, TokenKind, TokenStats } from '../../src/types.js';

/** A batch of one row per string: v valid, p padding, m fully masked. */
export function batchOf(rows: readonly string[], name = 'left'): Batch {
  const kinds = [...rows.join('')].map(
    (char): TokenKind => (({ v: 'valid', p: 'padding', m: 'fullyMasked' }) as const)[char as 'v'],
  );
  const zeros = (): BigInt64Array => new BigInt64Array(kinds.length);
  return {
    name,
    padding: 'left',
    size: rows.length,
    length: rows[0]?.length ?? 0,
    inputIds: zeros(),
    attentionMask: zeros(),
    positionIds: zeros(),
    kinds,
    documents: null,
    mask: null,
    past: 0,
    source: 'test',
  };
}

/** What the probes would say of x against ref, and against the truth, one vector per token. */
export function statsOf(
  x: readonly (readonly number[])[],
  ref: readonly (readonly number[])[],
  extra: Partial<TokenStats> = {},
  truth: readonly (readonly number[])[] = ref,
): TokenStats {
  const per = (read: (x: readonly number[], ref: readonly number[]) => number): Float64Array =>
    Float64Array.from(x, (vector, token) => read(vector, ref[token]!));
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const norm = (values: readonly number[]): number => Math.sqrt(sum(values.map((v) => v * v)));
  const delta = (a: readonly number[], b: readonly number[]): number[] =>
    a.map((v, i) => v - b[i]!);
  return {
    batch: 0,
    tap: 'attention',
    scope: 'accumulated',
    layer: 0,
    implementation: 'flash',
    width: x[0]?.length ?? 0,
    maxAbs: per((a, b) => Math.max(...delta(a, b).map(Math.abs))),
    l2Delta: per((a, b) => norm(delta(a, b))),
    l2: per((a) => norm(a)),
    l2Ref: per((_, b) => norm(b)),
    dot: per((a, b) => sum(a.map((v, i) => v * b[i]!))),
    sumDelta: per((a, b) => sum(delta(a, b))),
    maxAbsExact: Float64Array.from(x, (vector, token) =>
      Math.max(...delta(vector, truth[token]!).map(Math.abs)),
    ),
    l2DeltaExact: Float64Array.from(x, (vector, token) => norm(delta(vector, truth[token]!))),
    l2Exact: Float64Array.from(truth, norm),
    sumDeltaExact: Float64Array.from(x, (vector, token) => sum(delta(vector, truth[token]!))),
    nan: per((a) => a.filter((v) => Number.isNaN(v)).length),
    inf: per((a) => a.filter((v) => Math.abs(v) === Infinity).length),
    ...extra,
  };
}
