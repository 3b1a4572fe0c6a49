import { printable } from '../text/width.js';
import type { Column } from '../text/table.js';
import { html, type Markup, type Part } from './markup.js';

/** A part of the page with its heading, under which the navigation finds it. */
export interface Section {
  id: string;
  title: string;
  body: Part;
}

export function sectionMarkup({ id, title, body }: Section): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${body}
</section>
`;
}

/** What a table is made of; {@link Column} does. */
export interface TableColumn<R> extends Pick<Column<R>, 'head' | 'cell' | 'align'> {
  /** Whether the cell stands out. */
  isOver?: (row: R) => boolean;
}

/** Characters from which on a text needs room of its own. */
const LONG = 40;
/** NaN and infinite numbers, alone or in a longer text. */
const NOT_FINITE = /^[+-]?(?:NaN|Inf)\b/;

/**
 * A table in a frame of its own, which scrolls where the table is wider than the page. The first column heads its rows.
 *
 * @param caption what it is of; read out, and shown
 */
export function tableMarkup<R>(
  caption: string,
  columns: readonly TableColumn<R>[],
  rows: readonly R[],
): Markup {
  const classOf = (column: TableColumn<R>, text = '', isOver = false): Markup | null => {
    const names = [
      ...(column.align === 'right' ? ['number'] : []),
      ...(text.length > LONG ? ['long'] : []),
      ...(NOT_FINITE.test(text) ? ['bad'] : []),
      ...(isOver ? ['over'] : []),
    ].join(' ');
    return names === '' ? null : html` class="${names}"`;
  };
  const cell = (column: TableColumn<R>, row: R, i: number): Markup => {
    const text = printable(column.cell(row));
    return i === 0
      ? html`<th scope="row"${classOf(column, text)}>${text}</th>`
      : html`<td${classOf(column, text, column.isOver?.(row))}>${text}</td>`;
  };
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${caption}"><table>
<caption><span>${caption}</span></caption>
<thead><tr>${columns.map((column) => (column.head === '' ? html`<td></td>` : html`<th scope="col"${classOf(column)}>${column.head.replaceAll('\n', ' ')}</th>`))}</tr></thead>
<tbody>
${rows.map((row) => html`<tr>${columns.map((column, i) => cell(column, row, i))}</tr>\n`)}</tbody>
</table></div>
`;
}

/** A part that is shown when it is asked for, and in print. */
export function details(summary: string, body: Part, isOpen = false): Markup {
  return html`<details${isOpen ? html` open` : null}><summary>${summary}</summary>
${body}</details>
`;
}

/** `label, value` pairs; an empty label continues the one above. */
export function factList(facts: readonly (readonly [string, string])[]): Markup {
  return html`<dl class="facts">${facts.map(([label, value]) => html`${label === '' ? null : html`<dt>${label}</dt>`}<dd>${value}</dd>\n`)}</dl>
`;
}

/** The place of a chart, which the page's script draws; `body` is there without it. */
export function chartMarkup(name: string, label: string, note: string, body: Part): Markup {
  return html`<figure data-chart="${name}" aria-label="${label}">
<figcaption>${note}</figcaption>
<div class="chart"></div>
${body}</figure>
`;
}

/** A line of code. */
export function codeMarkup(text: string, label: string): Markup {
  return html`<pre tabindex="0" role="group" aria-label="${label}"><code>${text}</code></pre>
`;
}
