import type { DiffReport, Row, TokenKind } from '../../types.js';
import { TOKEN_KINDS } from '../../types.js';

/** With more batches than this, tables show one for all. */
const LISTED_BATCHES = 4;

/**
 * A report of many batches as if they were one, for the tables by layer: of each place the batch whose relative L2 is
 * the worst (NaN before all), with tokens, NaN, Inf and zero rows summed. A report of few batches stays as it is.
 */
export function condensed(report: DiffReport): DiffReport {
  const { batches } = report;
  const [first] = batches;
  if (!first || batches.length <= LISTED_BATCHES) return report;
  const name = `the worst of ${batches.length}`;
  const places = new Map<string, Row>();
  for (const row of report.rows) {
    const place = JSON.stringify([row.tap, row.layer, row.scope, row.implementation, row.kind]);
    const known = places.get(place);
    places.set(place, known ? merged(known, row) : { ...row, batch: name });
  }
  const sum = (kind: TokenKind): number =>
    batches.reduce((tokens, batch) => tokens + batch.tokens[kind], 0);
  const whole = {
    ...first,
    name,
    size: batches.reduce((rows, { size }) => rows + size, 0),
    length: Math.max(...batches.map(({ length }) => length)),
    tokens: Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, sum(kind)])) as Record<
      TokenKind,
      number
    >,
  };
  return { ...report, batches: [whole], rows: [...places.values()] };
}

function merged(known: Row, row: Row): Row {
  const worse = Number.isNaN(row.relL2) || row.relL2 > known.relL2 ? row : known;
  const positions = [known.firstToken, row.firstToken].filter((position) => position !== null);
  return {
    ...worse,
    batch: known.batch,
    tokens: known.tokens + row.tokens,
    nan: known.nan + row.nan,
    inf: known.inf + row.inf,
    zeroRows: known.zeroRows + row.zeroRows,
    firstToken: positions.length === 0 ? null : Math.min(...positions),
  };
}
