import { comparePlaces, overallEffects } from '../../metrics/index.js';
import { sameNumbers } from '../../gate/index.js';
import type {
  ComparedEffect,
  ComparedRow,
  Comparison,
  EffectNumbers,
  RowNumbers,
} from '../../types.js';

/** With more batches than this, one line stands for all of them. */
const LISTED_BATCHES = 4;

/** One place of one implementation; attention has both scopes, hidden and logits only the accumulated. */
export interface CompareLine {
  batch: string;
  layer: number | null;
  tap: ComparedRow['tap'];
  implementation: string;
  /** Whether it is the reference of both, which parts from itself nowhere. */
  isReference: boolean;
  local: ComparedRow | undefined;
  accumulated: ComparedRow | undefined;
}

/** Lines by batch, and how many were left out since both runs have the same numbers there. */
export interface CompareLines {
  batches: { name: string; lines: CompareLine[] }[];
  same: number;
  /** Places that only one run has. */
  onlyA: number;
  onlyB: number;
}

/** The name of what stands for all batches of a run of many. */
function batchesName(names: ReadonlySet<string>): string {
  return `the worst of ${names.size} in each`;
}

/**
 * The places where two runs differ, by batch; of many batches the worst of each run. The reference is told apart from
 * exact alone. Places that only one run has are counted, not listed.
 */
export function compareLines({ rows, ...runs }: Comparison): CompareLines {
  const reference = runs.a.reference === runs.b.reference ? runs.a.reference : null;
  const both = rows.filter(({ a, b }) => a !== null && b !== null);
  const names = new Set(both.map(({ batch }) => batch));
  const shown = names.size <= LISTED_BATCHES ? both : worstOf(both, batchesName(names));
  const lines = new Map<string, CompareLine>();
  for (const row of shown) {
    const { batch, layer, tap, implementation } = row;
    const key = JSON.stringify([batch, layer, tap, implementation]);
    const line = lines.get(key) ?? {
      batch,
      layer,
      tap,
      implementation,
      isReference: implementation === reference,
      local: undefined,
      accumulated: undefined,
    };
    line[row.scope] = row;
    lines.set(key, line);
  }
  const changed = [...lines.values()].filter(({ local, accumulated }) =>
    [local, accumulated].some((row) => row && !sameNumbers(row.a, row.b)),
  );
  const order = [...new Set(shown.map(({ implementation }) => implementation))];
  return {
    batches: [...new Set(changed.map(({ batch }) => batch))].map((name) => ({
      name,
      lines: changed
        .filter(({ batch }) => batch === name)
        .toSorted(
          (one, other) =>
            comparePlaces(one, other) ||
            order.indexOf(one.implementation) - order.indexOf(other.implementation),
        ),
    })),
    same: lines.size - changed.length,
    onlyA: rows.filter(({ b }) => b === null).length,
    onlyB: rows.filter(({ a }) => a === null).length,
  };
}

function worstOf(rows: readonly ComparedRow[], name: string): ComparedRow[] {
  const places = new Map<string, ComparedRow>();
  for (const row of rows) {
    const key = JSON.stringify([row.layer, row.tap, row.scope, row.implementation]);
    const known = places.get(key);
    const [a, b] = [worse(known?.a, row.a!), worse(known?.b, row.b!)];
    places.set(key, {
      ...row,
      batch: name,
      a,
      b,
      ratio: a.relL2 === 0 && b.relL2 === 0 ? 1 : b.relL2 / a.relL2,
    });
  }
  return [...places.values()];
}

/** Of each number the largest, NaN before all; NaN and Inf summed. */
function worse(known: RowNumbers | null | undefined, row: RowNumbers): RowNumbers {
  if (!known) return row;
  return {
    maxAbs: Math.max(known.maxAbs, row.maxAbs),
    relL2: Math.max(known.relL2, row.relL2),
    exactRelL2: Math.max(known.exactRelL2, row.exactRelL2),
    nan: known.nan + row.nan,
    inf: known.inf + row.inf,
  };
}

/** What becomes of predictions in both runs: a line for each batch and implementation that both have, or for each implementation where batches are many; those with the same numbers left out. */
export function effectLines({ effects }: Comparison): ComparedEffect[] {
  const both = effects.filter(({ a, b }) => a !== null && b !== null);
  const names = new Set(both.map(({ batch }) => batch));
  const shown = names.size <= LISTED_BATCHES ? both : overall(both, names.size);
  return shown.filter(({ a, b }) => !sameNumbers(a, b) && (a!.targets > 0 || b!.targets > 0));
}

function overall(both: readonly ComparedEffect[], count: number): ComparedEffect[] {
  const of = (side: 'a' | 'b'): Map<string, EffectNumbers> => {
    const rows = both.map(({ batch, implementation, [side]: numbers }) => ({
      batch,
      implementation,
      perplexity: NaN,
      ...numbers!,
    }));
    const losses = overallEffects(rows.map((row) => ({ ...row, loss: row.lossDelta })));
    return new Map(
      overallEffects(rows).map(({ implementation, targets, loss, kl, flips }, i) => [
        implementation,
        { targets, loss, kl, flips, lossDelta: losses[i]!.loss },
      ]),
    );
  };
  const [a, b] = [of('a'), of('b')];
  return [...b].map(([implementation, numbers]) => ({
    batch: `all ${count}`,
    implementation,
    a: a.get(implementation) ?? null,
    b: numbers,
  }));
}
