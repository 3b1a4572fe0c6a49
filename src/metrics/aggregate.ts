import type { Batch, Row, TokenKind, TokenStats } from '../types.js';
import { TOKEN_KINDS } from '../types.js';
import { cosine, diverges, relativeL2, tokenAt } from './token.js';

/** A row before it is held against the baselines. */
export type MeasuredRow = Omit<Row, 'ratioFp32' | 'ratioPlain'>;

/**
 * Aggregates each TokenStats over the tokens of one kind: one Row for every record and every kind that its batch holds.
 *
 * With Δ = x − ref, over the N tokens of the kind, each of `width` elements:
 * - maxAbs = max |Δ|
 * - meanL2 = Σ‖Δ‖ / N
 * - relL2 = √Σ‖Δ‖² / √Σ‖ref‖² (0/0 is 0, x/0 is Infinity)
 * - meanCosine, minCosine over tokens of x·ref / (‖x‖‖ref‖): see {@link cosine} for zero vectors
 * - bias = ΣΔ / (N · width), the signed mean
 * - nan, inf: elements; zeroRows: tokens with ‖x‖ = 0
 * - exactMaxAbs, exactRelL2, exactBias: as maxAbs, relL2 and bias, with x − exact and ‖exact‖
 * - firstToken: smallest sequence position (column of the batch) that diverges: see {@link diverges}
 *
 * A record of some tokens alone makes rows of those.
 *
 * Everything has the unit of the tensor, except relL2 and the cosines, which have none.
 * A NaN in a token makes every metric of its row that reads it NaN, and counts as a divergence; none is filtered.
 *
 * @param stats arrays of [size·length], row-major
 * @param batches the batches that `stats` index into
 * @returns rows in the order of `stats`, then of TOKEN_KINDS
 * @throws RangeError where a record names no batch or its arrays are shorter than the batch
 */
export function aggregate(stats: readonly TokenStats[], batches: readonly Batch[]): MeasuredRow[] {
  return stats.flatMap((record) => {
    const batch = batches[record.batch];
    if (batch === undefined)
      throw new RangeError(`TokenStats names batch ${record.batch} of ${batches.length}`);
    return TOKEN_KINDS.flatMap((kind) => aggregateKind(record, batch, kind) ?? []);
  });
}

function aggregateKind(stats: TokenStats, batch: Batch, kind: TokenKind): MeasuredRow | null {
  let tokens = 0;
  let maxAbs = 0;
  let sumL2 = 0;
  let squaredDelta = 0;
  let squaredRef = 0;
  let sumCosine = 0;
  let minCosine = Infinity;
  let sumDelta = 0;
  let exactMaxAbs = 0;
  let squaredError = 0;
  let squaredExact = 0;
  let sumError = 0;
  let nan = 0;
  let inf = 0;
  let zeroRows = 0;
  let firstToken: number | null = null;

  for (let index = 0; index < batch.kinds.length; index++) {
    if (batch.kinds[index] !== kind || stats.measured?.[index] === 0) continue;
    const token = tokenAt(stats, index);
    const angle = cosine(token);
    tokens += 1;
    // Math.max and Math.min keep a NaN, whichever side it is on.
    maxAbs = Math.max(maxAbs, token.maxAbs);
    minCosine = Math.min(minCosine, angle);
    sumL2 += token.l2Delta;
    squaredDelta += token.l2Delta ** 2;
    squaredRef += token.l2Ref ** 2;
    exactMaxAbs = Math.max(exactMaxAbs, token.maxAbsExact);
    squaredError += token.l2DeltaExact ** 2;
    squaredExact += token.l2Exact ** 2;
    sumCosine += angle;
    sumDelta += token.sumDelta;
    sumError += token.sumDeltaExact;
    nan += token.nan;
    inf += token.inf;
    if (token.l2 === 0) zeroRows += 1;
    if (diverges(token)) {
      const position = index % batch.length;
      firstToken = firstToken === null ? position : Math.min(firstToken, position);
    }
  }
  if (tokens === 0) return null;
  return {
    batch: batch.name,
    layer: stats.layer,
    tap: stats.tap,
    scope: stats.scope,
    implementation: stats.implementation,
    kind,
    tokens,
    maxAbs,
    meanL2: sumL2 / tokens,
    relL2: relativeL2(squaredDelta, squaredRef),
    meanCosine: sumCosine / tokens,
    minCosine,
    bias: sumDelta / (tokens * stats.width),
    nan,
    inf,
    zeroRows,
    firstToken,
    exactMaxAbs,
    exactRelL2: relativeL2(squaredError, squaredExact),
    exactBias: sumError / (tokens * stats.width),
  };
}
