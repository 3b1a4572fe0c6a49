import type { EffectRow, SavedRow, TokenKind } from '../types.js';

/** What rows are of. */
export interface RowsOf {
  layers: number;
  reference: string;
  batches: readonly { name: string; tokens: Readonly<Record<TokenKind, number>> }[];
  /** `isComplete`: it ran to its end, so that it has all of its rows. */
  implementations: readonly { name: string; isComplete: boolean }[];
}

/** A row of a report, or of a baseline, which has valid tokens alone. */
export type AnyRow = SavedRow & { kind?: TokenKind; tokens?: number };

type Place = Pick<AnyRow, 'batch' | 'layer' | 'tap' | 'scope' | 'kind'>;

const kindOf = ({ kind = 'valid' }: Pick<AnyRow, 'kind'>): TokenKind => kind;
const placeKey = (row: Place): string =>
  `${row.batch}\u0000${kindOf(row)}\u0000${row.tap}\u0000${row.scope}\u0000${row.layer}`;
const rowKey = (row: AnyRow): string => `${placeKey(row)}\u0000${row.implementation}`;

/** `flash at layer 2, hidden, accumulated, batch left`, for the sentence that names what is wrong. */
function rowText({
  implementation,
  layer,
  tap,
  scope,
  batch,
}: Pick<AnyRow, 'implementation' | 'layer' | 'tap' | 'scope' | 'batch'>): string {
  return `${implementation} at ${layer === null ? '' : `layer ${layer}, `}${tap}, ${scope}, batch ${batch}`;
}

/** A count that is NaN itself is no finite tensor either. */
const isFiniteRow = ({ nan, inf }: Pick<AnyRow, 'nan' | 'inf'>): boolean => nan === 0 && inf === 0;

/**
 * What is wrong with saved rows and effects as those of a run: a name that is not of the run or there twice, a row that
 * is missing or there twice, a number that such a row cannot have. Null where nothing is.
 *
 * A number is NaN or infinite only where the tensor is, or that which it was compared with; a relative L2 may be
 * infinite also where the reference is all zero. An implementation that ran to its end has the rows that the others have.
 */
export function rowsProblem(
  run: RowsOf,
  rows: readonly AnyRow[],
  effects: readonly Omit<EffectRow, 'perplexity'>[],
): string | null {
  return (
    namesProblem(run) ??
    placesProblem(run, rows) ??
    missingProblem(run, rows) ??
    numbersProblem(run, rows) ??
    effectsProblem(run, rows, effects)
  );
}

function namesProblem({ batches, implementations, reference }: RowsOf): string | null {
  const twice = [...batches, ...implementations].map(({ name }) => name);
  for (const names of [twice.slice(0, batches.length), twice.slice(batches.length)]) {
    const again = names.find((name, i) => names.indexOf(name) !== i);
    if (again !== undefined) return `${again} is there twice`;
  }
  return implementations.some(({ name }) => name === reference)
    ? null
    : `the reference ${reference} is not among the implementations`;
}

function placesProblem(
  { layers, batches, implementations }: RowsOf,
  rows: readonly AnyRow[],
): string | null {
  const tokensOf = new Map(batches.map(({ name, tokens }) => [name, tokens]));
  const names = new Set(implementations.map(({ name }) => name));
  const seen = new Set<string>();
  for (const row of rows) {
    const tokens = tokensOf.get(row.batch)?.[kindOf(row)];
    if (tokens === undefined) return `a row is of batch ${row.batch}, which the run does not have`;
    if (!names.has(row.implementation))
      return `a row is of ${row.implementation}, which the run does not have`;
    if ((row.tap === 'logits') !== (row.layer === null) || (row.layer ?? 0) >= layers)
      return `the row of ${rowText(row)} is at no layer of the model`;
    if (row.scope === 'local' && row.tap !== 'attention')
      return `the row of ${rowText(row)} cannot be local`;
    // Logits may be of some tokens alone.
    const isOfAll =
      row.tokens === undefined ||
      row.tokens === tokens ||
      (row.tap === 'logits' && row.tokens < tokens);
    if (tokens === 0 || row.tokens === 0 || !isOfAll)
      return `the row of ${rowText(row)} is of ${row.tokens ?? 'some'} tokens, and the batch has ${tokens} such`;
    const key = rowKey(row);
    if (seen.has(key)) return `the row of ${rowText(row)} is there twice`;
    seen.add(key);
  }
  return null;
}

/** Within a batch all implementations are measured at the same places, the local scope of the reference apart; all batches have the same layers. */
function missingProblem(
  { reference, batches, implementations }: RowsOf,
  rows: readonly AnyRow[],
): string | null {
  const kinds = [...new Set(rows.map(kindOf))];
  const present = new Set(rows.map(rowKey));
  const layered = unique(
    rows.filter(({ tap }) => tap !== 'logits'),
    ({ tap, scope, layer }) => `${tap}/${scope}/${layer}`,
  );
  const logits = new Set(rows.filter(({ tap }) => tap === 'logits').map(placeKey));
  const complete = implementations.filter(({ isComplete }) => isComplete);
  for (const { name: batch, tokens } of batches) {
    for (const kind of kinds) {
      if (tokens[kind] === 0) continue;
      const end = { tap: 'logits', scope: 'accumulated', layer: null } as const;
      const places = [...layered, ...(logits.has(placeKey({ ...end, batch, kind })) ? [end] : [])];
      for (const { name: implementation } of complete) {
        if (places.length === 0) return `${implementation} has no row in batch ${batch}`;
        const own =
          implementation === reference
            ? places.filter(({ scope }) => scope === 'accumulated')
            : places;
        const gone = own.filter(
          ({ tap, scope, layer }) =>
            !present.has(rowKey({ batch, kind, tap, scope, layer, implementation } as AnyRow)),
        );
        if (gone.length > 0)
          return `${gone.length} of ${own.length} rows on ${kind} tokens are missing, the first of ${rowText({ ...gone[0]!, batch, implementation })}`;
      }
    }
    if (
      rows.length === 0 &&
      complete.length > 0 &&
      Object.values(tokens).some((count) => count > 0)
    )
      return `${complete[0]!.name} has no row in batch ${batch}`;
  }
  return null;
}

function unique<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [keyOf(item), item])).values()];
}

function numbersProblem({ reference }: RowsOf, rows: readonly AnyRow[]): string | null {
  // A local difference is from what the reference gave in its own stream.
  const finiteReference = new Set(
    rows.filter((row) => row.implementation === reference && isFiniteRow(row)).map(placeKey),
  );
  const finiteTruth = new Set(
    rows.filter(({ exactRelL2 }) => Number.isFinite(exactRelL2)).map(placeKey),
  );
  for (const row of rows) {
    const { maxAbs, relL2, exactRelL2 } = row;
    if (maxAbs === 0 && relL2 > 0)
      return `the row of ${rowText(row)} has a relative L2 of ${relL2}, and no difference`;
    if (!isFiniteRow(row)) continue;
    if (
      finiteReference.has(placeKey({ ...row, scope: 'accumulated' })) &&
      (!Number.isFinite(maxAbs) || Number.isNaN(relL2))
    )
      return `the row of ${rowText(row)} has ${Number.isFinite(maxAbs) ? `a relative L2 of ${relL2}` : `a max |Δ| of ${maxAbs}`}, and neither it nor the reference has NaN or Inf there`;
    if (finiteTruth.has(placeKey(row)) && Number.isNaN(exactRelL2))
      return `the row of ${rowText(row)} has an error against exact of NaN, and neither it nor exact has NaN or Inf there`;
  }
  return null;
}

function effectsProblem(
  { reference, batches, implementations }: RowsOf,
  rows: readonly AnyRow[],
  effects: readonly Omit<EffectRow, 'perplexity'>[],
): string | null {
  const tokensOf = new Map(batches.map(({ name, tokens }) => [name, tokens.valid]));
  const names = new Set(implementations.map(({ name }) => name));
  const finite = new Set(
    rows
      .filter((row) => row.tap === 'logits' && kindOf(row) === 'valid' && isFiniteRow(row))
      .map(({ batch, implementation }) => `${batch}\u0000${implementation}`),
  );
  const seen = new Set<string>();
  for (const { batch, implementation, targets, loss, kl, flips } of effects) {
    const what = `what is predicted by ${implementation} in batch ${batch}`;
    if (!tokensOf.has(batch) || !names.has(implementation))
      return `${what} is of no batch or implementation of the run`;
    if (targets > tokensOf.get(batch)! || flips > targets)
      return `${what} has ${targets} targets and ${flips} flips, of ${tokensOf.get(batch)} valid tokens`;
    const isSound = finite.has(`${batch}\u0000${implementation}`);
    if (targets > 0 && isSound && !Number.isFinite(loss))
      return `${what} has a loss of ${loss}, and no logit is NaN or infinite`;
    if (targets > 0 && isSound && finite.has(`${batch}\u0000${reference}`) && !Number.isFinite(kl))
      return `${what} has a KL of ${kl}, and no logit is NaN or infinite`;
    const key = `${batch}\u0000${implementation}`;
    if (seen.has(key)) return `${what} is there twice`;
    seen.add(key);
  }
  for (const batch of new Set(effects.map((effect) => effect.batch))) {
    const gone = implementations.find(
      ({ name, isComplete }) => isComplete && !seen.has(`${batch}\u0000${name}`),
    );
    if (gone) return `what is predicted by ${gone.name} in batch ${batch} is missing`;
  }
  return null;
}
