import type { PageTable, PageTableName } from '../pageTypes.js';
import { formatCount } from '../report/text/number.js';
import { valueAt } from './decode.js';
import { choice, element } from './dom.js';
import { arranged, wordsOf, type Direction } from './sorting.js';
import { FILTERS, TABLE_COLUMNS, type ColumnSpec } from './tableColumns.js';

/** Lines that are added at a time; all of many thousands at once would keep the page waiting. */
const CHUNK = 200;
/** Lines that are printed at most. */
const PRINTED = 2000;
/** Pixels before the end at which the next lines are added. */
const AHEAD = 400;

/** A table that is made when its part is opened. */
export interface LazyTable {
  /** Makes it, with as many lines as are printed. */
  print(): void;
}

export function lazyTable(
  details: HTMLDetailsElement,
  name: PageTableName,
  table: PageTable,
): LazyTable {
  let made: ReturnType<typeof sortableTable> | null = null;
  const make = (): ReturnType<typeof sortableTable> => {
    if (made) return made;
    made = sortableTable(name, table, details.querySelector('summary')!.textContent ?? name);
    details.querySelector('.table')!.append(made.element);
    return made;
  };
  details.addEventListener('toggle', () => {
    if (details.open) make();
  });
  return { print: () => make().extend(PRINTED) };
}

function sortableTable(
  name: PageTableName,
  table: PageTable,
  title: string,
): { element: HTMLElement; extend(count: number): void } {
  const columns = TABLE_COLUMNS[name].filter((column) => table.columns[column.name] !== undefined);
  let sort: { column: string; direction: Direction } | null = null;
  let lines: number[] = [];
  let shown = 0;
  const filters = FILTERS[name].flatMap((key) => {
    const words = wordsOf(table.columns[key]!);
    const head = columns.find((column) => column.name === key)?.head ?? key;
    return words.length < 2
      ? []
      : [
          {
            key,
            choice: choice<string | null>(
              head,
              [
                ['all', null],
                ...words.map(
                  (word) => [word === 'fullyMasked' ? 'fully masked' : word, word] as const,
                ),
              ],
              arrange,
            ),
          },
        ];
  });
  const status = element('p', { class: 'note', role: 'status' });
  const body = element('tbody');
  const heads = columns.map((column) => headOf(column, () => sortBy(column)));
  const frame = element(
    'div',
    { class: 'scroll tall', role: 'region', tabindex: '0', 'aria-label': title },
    element(
      'table',
      {},
      element('caption', { class: 'visually-hidden' }, title),
      element('thead', {}, element('tr', {}, ...heads)),
      body,
    ),
  );
  frame.addEventListener('scroll', () => {
    if (frame.scrollTop + frame.clientHeight > frame.scrollHeight - AHEAD) extend(shown + CHUNK);
  });
  arrange();
  return {
    element: element(
      'div',
      {},
      element('div', { class: 'controls' }, ...filters.map((filter) => filter.choice.label)),
      status,
      frame,
    ),
    extend,
  };

  function sortBy({ name: column, kind }: ColumnSpec): void {
    const first: Direction =
      kind === 'number' && column !== 'layer' && column !== 'head' ? 'descending' : 'ascending';
    const other: Direction = first === 'ascending' ? 'descending' : 'ascending';
    sort = {
      column,
      direction: sort?.column === column && sort.direction === first ? other : first,
    };
    for (const [i, head] of heads.entries()) {
      if (columns[i]!.name === column) head.setAttribute('aria-sort', sort.direction);
      else head.removeAttribute('aria-sort');
    }
    arrange();
  }

  function arrange(): void {
    const chosen = new Map(
      filters.flatMap(({ key, choice: { value } }) =>
        value() === null ? [] : [[key, value()!] as const],
      ),
    );
    lines = arranged(table, chosen, sort);
    shown = 0;
    body.replaceChildren();
    frame.scrollTop = 0;
    extend(CHUNK);
  }

  function extend(count: number): void {
    const next = lines.slice(shown, count);
    body.append(
      ...next.map((line) => element('tr', {}, ...columns.map((column) => cellOf(column, line)))),
    );
    shown += next.length;
    const rest = lines.length - shown;
    status.textContent = `${formatCount(lines.length)} of ${formatCount(table.length)} lines${rest === 0 ? '' : `; ${formatCount(shown)} are here, the others come as you scroll`}`;
  }

  function cellOf({ name: column, kind, text }: ColumnSpec, line: number): HTMLTableCellElement {
    const value = valueAt(table.columns[column]!, line);
    const cell = document.createElement('td');
    cell.textContent = text(value);
    const isBad = typeof value === 'number' && !Number.isFinite(value);
    if (kind === 'number') cell.className = isBad ? 'number bad' : 'number';
    return cell;
  }
}

function headOf({ head, kind }: ColumnSpec, onSort: () => void): HTMLTableCellElement {
  const cell = element('th', { scope: 'col', ...(kind === 'number' && { class: 'number' }) });
  const button = element('button', { type: 'button', class: 'sort' }, head);
  button.addEventListener('click', onSort);
  cell.append(button);
  return cell;
}
