import { overallEffects, overBatches } from '../../metrics/index.js';
import type { DiffReport, Scope } from '../../types.js';
import { lossNote } from '../outputText.js';
import { contextOf } from '../text/context.js';
import { effectColumns, effectLines } from '../text/effects.js';
import { nonFiniteColumns, nonFiniteLines } from '../text/nonFinite.js';
import { formatNumber } from '../text/number.js';
import { paddingColumns, paddingLines } from '../text/padding.js';
import { rangeColumns } from '../text/ranges.js';
import { isBeyond, layerLines, type LayerLine } from '../worst.js';
import { html, type Markup } from './markup.js';
import { chartMarkup, details, tableMarkup, type Section, type TableColumn } from './parts.js';

const NONE = '–';
/** The columns of the text report are shared; on the page nothing is left out, and colours are the style's. */
const PLAIN = contextOf({ width: Infinity, color: false });

/** Divergence by layer, local and accumulated. */
export function divergencePart(report: DiffReport): Section {
  const lines = layerLines(report);
  const names = lines[0]?.cells.map(({ implementation }) => implementation) ?? [];
  const column = (i: number, scope: Scope): TableColumn<LayerLine> => ({
    head: `${names[i]} ${scope}`,
    align: 'right',
    cell: ({ cells }) => {
      const row = cells[i]![scope];
      return row === undefined ? NONE : formatNumber(row.relL2);
    },
    isOver: ({ cells }) => isBeyond(cells[i]![scope], cells[i]!.rounding[scope]),
  });
  const columns = [
    { head: 'layer', cell: ({ layer }: LayerLine) => (layer === null ? 'logits' : String(layer)) },
    ...names.flatMap((_, i) => [column(i, 'local'), column(i, 'accumulated')]),
  ];
  return {
    id: 'divergence',
    title: 'Divergence by layer',
    body:
      lines.length === 0
        ? html`<p>There is nothing that was compared.</p>`
        : chartMarkup(
            'divergence',
            'Divergence by layer',
            `Distance from ${report.reference} on valid tokens. Local: what this layer's kernel introduces, on the reference's Q, K, V. Accumulated: what has built up in the implementation's own stream, in the hidden state after each layer${report.logits ? ' and in the logits' : ''}. Dashed: what rounding explains. NaN and infinite numbers stand at the top, exact zeros at the bottom.`,
            details(
              'As a table: relative L2, of all batches the worst',
              tableMarkup(
                'Relative L2 on valid tokens by layer, of all batches the worst; bold: more than rounding explains',
                columns,
                lines,
              ),
            ),
          ),
  };
}

/** Where in a batch implementations part. */
export function heatMapPart(report: DiffReport): Section {
  const { maps, batches } = report;
  const which =
    maps.length < batches.length
      ? ` Of ${batches.length} batches, the ${maps.length} that part most.`
      : '';
  return {
    id: 'tokens',
    title: 'Layer by token',
    body: maps.every(({ streams }) => streams.length === 0)
      ? html`<p>This report has no map of its tokens.</p>`
      : chartMarkup(
          'tokens',
          'Layer by token',
          `‖Δ‖ / ‖reference‖ of each token: down the layers, across the positions of each row of the batch. Where a row has more tokens than there are pixels, each pixel shows the worst of its tokens, valid ones first.${which}`,
          null,
        ),
  };
}

/** Counts of NaN and infinite elements; null where there are none. */
export function nonFinitePart(report: DiffReport): Section | null {
  const perBatch = nonFiniteLines(report).filter(({ lines }) => lines.length > 0);
  if (perBatch.length === 0) return null;
  const columns = nonFiniteColumns(
    report,
    perBatch.flatMap(({ lines }) => lines),
    PLAIN,
  );
  return {
    id: 'nan',
    title: 'NaN and Inf',
    body: perBatch.map(({ name, lines }, i) => {
      const table = tableMarkup(
        `Batch ${name}: elements that are NaN or infinite`,
        columns,
        lines.map((line) => ({ ...line, startsImplementation: true })),
      );
      return perBatch.length === 1 ? table : details(`Batch ${name}`, table, i === 0);
    }),
  };
}

/** What implementations do to the prediction of the next token. */
export function effectsPart(report: DiffReport): Section | null {
  const { effects, reference, batches } = report;
  const absence = lossNote(report);
  if (absence !== null && effects.length === 0)
    return { id: 'loss', title: 'Loss', body: html`<p>${absence}</p>` };
  if (effects.every(({ targets }) => targets === 0)) return null;
  const overall =
    new Set(effects.map(({ batch }) => batch)).size > 1 ? overallEffects(effects) : [];
  const lines = effectLines([...effects, ...overall], reference).map((line) => ({
    ...line,
    startsBatch: true,
  }));
  const table = tableMarkup(
    'Loss in nats, by batch and implementation; Δ against the reference *',
    effectColumns(PLAIN, true),
    lines,
  );
  const note = `Predicting the next token of valid tokens. Loss: mean −ln p, in nats. KL: mean KL(${reference} ‖ implementation), in nats. Flips: predictions whose most likely token is another.${absence === null ? '' : ` ${absence}`}`;
  return {
    id: 'loss',
    title: 'Loss',
    body:
      batches.length > 1
        ? chartMarkup(
            'loss',
            'Loss by batch',
            note,
            details('As a table', table, batches.length <= 4),
          )
        : html`<p class="note">${note}</p>\n${table}`,
  };
}

/** How near attention's numbers come to what low precision holds. */
export function rangesPart({ ranges }: DiffReport): Section | null {
  const lines = overBatches(ranges).filter(({ head }) => head === null);
  if (lines.length === 0) return null;
  return {
    id: 'ranges',
    title: 'Ranges and fp16 headroom',
    body: chartMarkup(
      'ranges',
      'Ranges by layer',
      "Of the reference's Q and K, on valid queries. max|QKᵀ|: before the scale, over all keys, masked ones too. Headroom: 65504, the most that fp16 holds, over it; below 1, fp16 overflows, and below 4 is worth a look. Underflow: share of the allowed probabilities that are 0 at the run's precision.",
      details(
        'As a table: of all batches the worst; of entropy, ‖p‖₂ and underflow the mean',
        tableMarkup('Ranges by layer', rangeColumns(PLAIN, false), lines),
      ),
    ),
  };
}

/** The same by head, where the report has it. */
export function headsPart({ ranges }: DiffReport): Section {
  return {
    id: 'heads',
    title: 'Heads',
    body: ranges.some(({ head }) => head !== null)
      ? chartMarkup(
          'heads',
          'Ranges by layer and head',
          'The same ranges for each query head. The table of ranges below has every number.',
          null,
        )
      : html`<p>This report does not tell heads apart. Run it with <code>--heads</code>${ranges.length === 0 ? ' and with a batch that has valid tokens' : null}; where <code>attn-diff merge</code> made it, run every shard so.</p>`,
  };
}

/** What is written on tokens that are not valid; null where there are none. */
export function paddingPart(report: DiffReport): Section | null {
  const lines = paddingLines(report).map((line) => ({
    ...line,
    startsBatch: true,
    startsKind: true,
  }));
  if (lines.length === 0) return null;
  const table: Markup = tableMarkup(
    'Attention output of tokens that are not valid, by layer; *: the reference',
    paddingColumns(PLAIN),
    lines,
  );
  return {
    id: 'padding',
    title: 'Padding',
    body: html`<p class="note">What attention writes on padding. Fully masked: the query may look at no key (left padding). Zero rows: every element is exactly 0.</p>
${lines.length > 24 ? details('As a table', table) : table}`,
  };
}
