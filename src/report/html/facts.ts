import type { BatchInfo, DiffReport, RunImplementationInfo } from '../../types.js';
import { actualText, checkPlace, checkTitle, sourceText } from '../checkText.js';
import { commandText } from '../commandText.js';
import { inputNoteText } from '../inputText.js';
import { precisionText } from '../precisionText.js';
import { fileText } from '../fileText.js';
import { modelFacts, proofText, providerFact, rebuildText } from '../text/header.js';
import { labelText } from '../text/kinds.js';
import { formatCount, formatLimit, formatNumber, plural } from '../text/number.js';
import { html } from './markup.js';
import {
  codeMarkup,
  details,
  factList,
  tableMarkup,
  type Section,
  type TableColumn,
} from './parts.js';

/** More batches than these are folded. */
const SHOWN_BATCHES = 8;

/** What ran, on what, and what shows it. */
export function runPart(report: DiffReport): Section {
  const {
    model,
    environment,
    implementations,
    reference,
    rebuild,
    file,
    batches,
    command,
    shard,
    timing,
    inputNotes,
  } = report;
  const batchTable = tableMarkup('Batches', BATCH_COLUMNS, batches);
  return {
    id: 'run',
    title: 'The run',
    body: html`${factList([
      ...modelFacts(model),
      ['SHA-256', model.sha256],
      ...inputNotes.map(
        (note, index) => [index === 0 ? 'Inputs' : '', inputNoteText(note)] as const,
      ),
      ...(model.activations === null
        ? []
        : [['Activations', `rounded to ${model.activations}`] as const]),
      ['Version', `attn-diff ${environment.attnDiff}`],
      providerFact(implementations, environment),
      ['Rebuild', rebuildText(rebuild)],
      ['File', fileText(file)],
      ...(shard === null ? [] : [['Part', `${shard.index} of ${shard.count}`] as const]),
      [
        'Time',
        `${formatNumber(timing.loadSeconds)} s to load, ${formatNumber(timing.runSeconds)} s to run`,
      ],
    ])}<p class="label">Made by:</p>
${codeMarkup(commandText(command), 'Command that made this report')}<h3>Implementations</h3>
${tableMarkup('What was asked for, what ran, and what shows it; *: the reference', implementationColumns(reference), implementations)}<h3>Batches</h3>
${batches.length > SHOWN_BATCHES ? details(plural(batches.length, 'batch', 'batches'), batchTable) : batchTable}`,
  };
}

function implementationColumns(reference: string): TableColumn<RunImplementationInfo>[] {
  return [
    { head: 'implementation', cell: ({ name }) => labelText(name, name === reference) },
    {
      head: 'asked for',
      cell: ({ asked }) => `${asked.kernel ?? 'its nodes'} on ${asked.provider}`,
    },
    { head: 'kernel that ran', cell: ({ kernel }) => kernel },
    { head: 'on', cell: ({ provider }) => provider },
    { head: 'precision', cell: precisionText },
    { head: 'evidence', cell: (info) => `${proofText(info)}${info.evidence}` },
    { head: 'settings', cell: ({ settings }) => settings.replaceAll(':', ' ') },
    {
      head: 'rounding explains, local',
      align: 'right',
      cell: ({ rounding }) => formatNumber(rounding.local),
    },
    {
      head: 'accumulated',
      align: 'right',
      cell: ({ rounding }) => formatNumber(rounding.accumulated),
    },
  ];
}

const BATCH_COLUMNS: readonly TableColumn<BatchInfo>[] = [
  { head: 'batch', cell: ({ name }) => name },
  { head: 'rows', align: 'right', cell: ({ size }) => formatCount(size) },
  { head: 'length', align: 'right', cell: ({ length }) => formatCount(length) },
  { head: 'padded on the', cell: ({ padding }) => padding },
  { head: 'valid', align: 'right', cell: ({ tokens }) => formatCount(tokens.valid) },
  { head: 'padding', align: 'right', cell: ({ tokens }) => formatCount(tokens.padding) },
  { head: 'fully masked', align: 'right', cell: ({ tokens }) => formatCount(tokens.fullyMasked) },
  { head: 'source', cell: ({ source }) => source },
  { head: 'SHA-256', cell: ({ sha256 }) => sha256.slice(0, 12) },
];

/** Every check, passed or not; then the tables, which the page's script makes of the data. */
export function tablesPart({ verdict, rows, effects, ranges }: DiffReport): Section {
  const place = (name: string, title: string, count: number): ReturnType<typeof html> | null =>
    count === 0
      ? null
      : html`<details class="data" data-table="${name}"><summary>${title} <span class="note">(${formatCount(count)})</span></summary><div class="table"></div></details>\n`;
  const checks = tableMarkup('Every check', CHECK_COLUMNS, verdict.checks);
  return {
    id: 'tables',
    title: 'Tables',
    body: html`<noscript><p>Charts and sortable tables need JavaScript. All numbers are in the JSON report.</p>${checks}</noscript>
${place('rows', 'Rows: every tap of every layer, by implementation and kind of token', rows.length)}${place('effects', 'Effects: loss, KL and flips', effects.length)}${place('ranges', 'Ranges: scores, headroom and entropy', ranges.length)}${place('checks', 'Checks', verdict.checks.length)}`,
  };
}

const CHECK_COLUMNS: readonly TableColumn<DiffReport['verdict']['checks'][number]>[] = [
  { head: 'check', cell: checkTitle },
  { head: 'implementation', cell: ({ implementation }) => implementation },
  {
    head: 'outcome',
    cell: ({ passed, level }) => (passed ? 'passed' : level === 'warn' ? 'warning' : 'failed'),
  },
  { head: 'place', cell: checkPlace },
  { head: 'value', align: 'right', cell: actualText },
  {
    head: 'limit',
    align: 'right',
    cell: ({ operator, expected }) => `${operator} ${formatLimit(expected)}`,
  },
  { head: 'set by', cell: ({ source }) => sourceText(source) },
];
