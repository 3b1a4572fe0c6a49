import type { Batch, EffectRow, TokenEffects } from '../types.js';

/** Name of the row over all batches. */
export const ALL_BATCHES = 'all';

/** Whether a token predicts one that counts: both are valid and of the same document. */
export function hasTarget(
  { kinds, length, documents }: Pick<Batch, 'kinds' | 'length' | 'documents'>,
  token: number,
): boolean {
  if ((token + 1) % length === 0 || kinds[token] !== 'valid' || kinds[token + 1] !== 'valid')
    return false;
  return documents === null || documents[token] === documents[token + 1];
}

/**
 * What each implementation does to the output: one row for every record, over the predictions that count
 * ({@link hasTarget}) and have logits.
 *
 * - loss = Σ nll / targets, in nats; perplexity = exp(loss)
 * - kl = Σ kl / targets, in nats, against the reference; 0 for the reference itself
 * - flips: predictions whose top-1 token is not the reference's. One of NaN logits counts where the reference's is
 *   not NaN, and the other way round; two of them do not.
 *
 * Loss and perplexity are NaN where any counted nll is, kl where any counted kl is. With no target at all they are
 * NaN too: nothing was measured.
 *
 * @param effects arrays of [size·length]; the reference's record of each batch among them
 * @param batches the batches that `effects` index into
 * @param reference label of the stream that the others are compared with
 * @throws RangeError where a record names no batch, or its batch has no record of the reference
 */
export function effectRows(
  effects: readonly TokenEffects[],
  batches: readonly Batch[],
  reference: string,
): EffectRow[] {
  const references = new Map<number, TokenEffects>();
  for (const record of effects)
    if (record.implementation === reference && !references.has(record.batch))
      references.set(record.batch, record);
  return effects.map((record) => {
    const batch = batches[record.batch];
    if (batch === undefined)
      throw new RangeError(`TokenEffects name batch ${record.batch} of ${batches.length}`);
    const expected = references.get(record.batch);
    if (expected === undefined)
      throw new RangeError(`no TokenEffects of ${reference} in batch ${batch.name}`);
    return effectRow(record, expected, batch);
  });
}

function effectRow(record: TokenEffects, expected: TokenEffects, batch: Batch): EffectRow {
  let targets = 0;
  let nll = 0;
  let kl = 0;
  let flips = 0;
  for (let token = 0; token < batch.kinds.length; token++) {
    if (!hasTarget(batch, token) || record.measured?.[token] === 0) continue;
    targets += 1;
    nll += record.nll[token]!;
    kl += record.kl[token]!;
    if (flipped(record, expected, token)) flips += 1;
  }
  return {
    batch: batch.name,
    implementation: record.implementation,
    targets,
    ...means(nll, kl, targets),
    flips,
  };
}

function flipped(record: TokenEffects, expected: TokenEffects, token: number): boolean {
  const isNan = record.nan[token]! > 0;
  const wasNan = expected.nan[token]! > 0;
  return isNan || wasNan ? isNan !== wasNan : record.top1[token] !== expected.top1[token];
}

/** 0/0 is NaN: the mean over no targets is no number. */
function means(
  nll: number,
  kl: number,
  targets: number,
): Pick<EffectRow, 'loss' | 'perplexity' | 'kl'> {
  const loss = nll / targets;
  return { loss, perplexity: Math.exp(loss), kl: kl / targets };
}

/**
 * One row for each implementation over all batches: means weighted by targets, flips summed, perplexity of the mean
 * loss. A batch without targets does not take part; one whose loss is NaN makes the mean NaN.
 *
 * @returns rows named {@link ALL_BATCHES}, in the order in which implementations come first
 */
export function overallEffects(rows: readonly EffectRow[]): EffectRow[] {
  return [...new Set(rows.map(({ implementation }) => implementation))].map((implementation) => {
    const own = rows.filter((row) => row.implementation === implementation && row.targets > 0);
    const sum = (read: (row: EffectRow) => number): number =>
      own.reduce((total, row) => total + read(row), 0);
    const targets = sum((row) => row.targets);
    return {
      batch: ALL_BATCHES,
      implementation,
      targets,
      ...means(
        sum((row) => row.loss * row.targets),
        sum((row) => row.kl * row.targets),
        targets,
      ),
      flips: sum((row) => row.flips),
    };
  });
}
