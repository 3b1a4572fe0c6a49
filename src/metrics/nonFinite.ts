import type { Finding, Row } from '../types.js';
import { comparePlaces, compareRows } from './order.js';

/**
 * Findings on NaN and Inf of one implementation in one batch.
 *
 * - `fully-masked-nan`: the attention of fully masked rows is NaN at a layer where nothing before it in this stream
 *   was, on valid or fully masked tokens; with the first layer at which the stream's valid tokens are NaN.
 * - `non-finite`: the first place of any other NaN or Inf: on other tokens up to that layer (a NaN row reaches other
 *   tokens only through the attention of the next), or on valid tokens in the local scope although the reference's
 *   Q, K and V were finite.
 *
 * @param rows the implementation's rows of one batch
 * @param referenceRows the reference's rows of the same batch (the same rows where it is the reference)
 */
export function nonFiniteFindings(rows: readonly Row[], referenceRows: readonly Row[]): Finding[] {
  const bad = rows.filter(isNonFinite).toSorted(compareRows);
  const stream = bad.filter((row) => row.scope === 'accumulated');
  const maskedRow = stream.find(
    (row) => row.kind === 'fullyMasked' && row.tap === 'attention' && row.nan > 0,
  );
  const isCause =
    maskedRow !== undefined &&
    !stream.some((row) => row.kind !== 'padding' && comparePlaces(row, maskedRow) < 0);

  const found: Finding[] = [];
  if (isCause) found.push(fullyMaskedNan(maskedRow, stream));

  const other =
    stream.find(
      (row) => !isCause || (row.kind !== 'fullyMasked' && isUpTo(row, maskedRow.layer)),
    ) ?? ownFault(bad, referenceRows);
  if (other) {
    const { implementation, layer, tap, scope, batch, kind, nan, inf } = other;
    found.push({
      code: 'non-finite',
      implementation,
      layer,
      tap,
      scope,
      batch,
      batches: 1,
      kind,
      nan,
      inf,
      origin: null,
    });
  }
  return found;
}

/**
 * The finding that an implementation's valid tokens are finite while the reference's are not, so that every
 * difference between them is NaN or infinite from there on.
 *
 * @param rows the implementation's rows of one batch
 * @param referenceRows the reference's rows of the same batch
 */
export function notComparable(rows: readonly Row[], referenceRows: readonly Row[]): Finding[] {
  const fault = firstOnValid(referenceRows);
  const implementation = rows[0]?.implementation;
  if (!fault || implementation === undefined) return [];
  const own = firstOnValid(rows.filter((row) => row.scope === 'accumulated'));
  if (own && comparePlaces(own, fault) <= 0) return [];
  return [
    {
      code: 'not-comparable',
      implementation,
      reference: fault.implementation,
      layer: fault.layer,
      tap: fault.tap,
      batch: fault.batch,
      batches: 1,
    },
  ];
}

/**
 * The rows of NaN and Inf that each count once: those of the stream, and those of the local scope that do not say what
 * the stream says at the same place. In the order of `rows`; a count that is NaN itself counts too.
 */
export function nonFiniteRows(rows: readonly Row[]): Row[] {
  const bad = rows.filter((row) => row.nan + row.inf !== 0);
  const stream = new Set(bad.filter(({ scope }) => scope === 'accumulated').map(countKey));
  return bad.filter((row) => row.scope === 'accumulated' || !stream.has(countKey(row)));
}

/** The same for rows that say the same at the same place, whatever their scope. */
function countKey({ batch, layer, tap, implementation, kind, nan, inf }: Row): string {
  return JSON.stringify([batch, layer, tap, implementation, kind, nan, inf]);
}

function fullyMaskedNan(row: Row, stream: readonly Row[]): Finding {
  const spread = stream.find(
    (other) => other.kind === 'valid' && other.nan > 0 && !isUpTo(other, row.layer),
  );
  return {
    code: 'fully-masked-nan',
    implementation: row.implementation,
    layer: row.layer ?? 0,
    batch: row.batch,
    batches: 1,
    kind: row.kind,
    spreadsToValidAtLayer: spread?.layer ?? null,
  };
}

/** The first valid row that is not finite in the local scope, although the reference's stream still is at that layer. */
function ownFault(bad: readonly Row[], referenceRows: readonly Row[]): Row | undefined {
  const fault = referenceRows
    .filter((row) => row.scope === 'accumulated' && isNonFinite(row))
    .toSorted(compareRows)[0];
  return bad.find(
    (row) =>
      row.scope === 'local' && row.kind === 'valid' && (!fault || comparePlaces(row, fault) <= 0),
  );
}

function firstOnValid(rows: readonly Row[]): Row | undefined {
  return rows.filter((row) => row.kind === 'valid' && isNonFinite(row)).toSorted(compareRows)[0];
}

function isUpTo(row: Row, layer: number | null): boolean {
  return row.layer !== null && layer !== null && row.layer <= layer;
}

function isNonFinite(row: Row): boolean {
  return row.nan + row.inf > 0;
}
