import type { DiffReport, Row, RunImplementationInfo } from '../types.js';

/** NaN is worse than any number. */
function isWorse(a: Row, b: Row): boolean {
  return Number.isNaN(a.relL2) ? !Number.isNaN(b.relL2) : a.relL2 > b.relL2;
}

/** The row of the largest relative L2, NaN before all; the first of equals. Undefined of none. */
function worstRow(rows: readonly Row[]): Row | undefined {
  return rows.reduce<Row | undefined>(
    (worst, row) => (worst === undefined || isWorse(row, worst) ? row : worst),
    undefined,
  );
}

/** Whether a row is more than rounding explains; NaN is. */
export function isBeyond(row: Row | undefined, limit: number): boolean {
  return row !== undefined && !(row.relL2 <= limit);
}

/** What one implementation came to, over all batches. */
export interface Overview {
  implementation: string;
  /** The worst on the reference's Q, K, V, and in its own stream, on valid tokens; undefined where nothing was measured. */
  local: Row | undefined;
  accumulated: Row | undefined;
  /** NaN and infinite elements of its own stream. */
  nonFinite: { valid: number; others: number };
  /** Whether anything of it was measured: not where it failed before the first batch was done. */
  isMeasured: boolean;
  /** What rounding explains of it. */
  rounding: RunImplementationInfo['rounding'];
}

/** In the order of the report. */
export function overviews({
  implementations,
  rows,
}: Pick<DiffReport, 'implementations' | 'rows'>): Overview[] {
  return implementations.map(({ name, rounding }) => {
    const own = rows.filter((row) => row.implementation === name);
    const valid = own.filter(({ kind }) => kind === 'valid');
    const count = (isValid: boolean): number =>
      own
        .filter(({ kind, scope }) => scope === 'accumulated' && (kind === 'valid') === isValid)
        .reduce((sum, { nan, inf }) => sum + nan + inf, 0);
    return {
      implementation: name,
      local: worstRow(valid.filter(({ scope }) => scope === 'local')),
      accumulated: worstRow(valid.filter(({ scope }) => scope === 'accumulated')),
      nonFinite: { valid: count(true), others: count(false) },
      isMeasured: own.length > 0,
      rounding,
    };
  });
}

/** The worst of all batches in one layer, or the logits (null), by implementation. */
export interface LayerLine {
  layer: number | null;
  /** Attention on the reference's Q, K, V; hidden state or logits of the implementation's own stream. Undefined where there is none. */
  cells: {
    implementation: string;
    local: Row | undefined;
    accumulated: Row | undefined;
    rounding: RunImplementationInfo['rounding'];
  }[];
}

/** One for each layer, in their order, the logits last. The reference, which parts from itself nowhere, is left out. */
export function layerLines({ rows, implementations, reference, model }: DiffReport): LayerLine[] {
  const others = implementations.filter(({ name }) => name !== reference);
  const places = new Map<string, Row[]>();
  for (const row of rows) {
    if (row.kind !== 'valid') continue;
    const key = placeKey(row.implementation, row.layer);
    const here = places.get(key) ?? [];
    here.push(row);
    places.set(key, here);
  }
  return [...Array.from({ length: model.layers }, (_, layer) => layer), null].flatMap((layer) => {
    const cells = others.map(({ name: implementation, rounding }) => {
      const here = places.get(placeKey(implementation, layer)) ?? [];
      return {
        implementation,
        rounding,
        local: worstRow(here.filter(({ scope }) => scope === 'local')),
        accumulated: worstRow(
          here.filter(({ tap, scope }) => scope === 'accumulated' && tap !== 'attention'),
        ),
      };
    });
    return cells.some(({ local, accumulated }) => local || accumulated) ? [{ layer, cells }] : [];
  });
}

function placeKey(implementation: string, layer: number | null): string {
  return JSON.stringify([implementation, layer]);
}

/** The `most` lines that part most, in their order. */
export function worstLines(lines: readonly LayerLine[], most: number): LayerLine[] {
  const size = ({ cells }: LayerLine): number =>
    Math.max(
      ...cells
        .flatMap(({ local, accumulated }) => [local, accumulated])
        .map((row) =>
          row === undefined
            ? -1
            : Number.isNaN(row.relL2)
              ? Infinity
              : Math.min(row.relL2, Number.MAX_VALUE),
        ),
    );
  const kept = new Set(lines.toSorted((a, b) => size(b) - size(a) || 0).slice(0, most));
  return lines.filter((line) => kept.has(line));
}
