import { overallEffects } from '../../metrics/index.js';
import type { DiffReport, EffectRow, Row } from '../../types.js';
import { inputNoteText } from '../inputText.js';
import { hasEffects, lossNote } from '../outputText.js';
import { klText } from '../text/effects.js';
import { precisionText } from '../precisionText.js';
import { fileText } from '../fileText.js';
import { batchText, modelFacts, proofText, providerFact, rebuildText } from '../text/header.js';
import { placeText } from '../text/kinds.js';
import { formatCount, formatNumber, formatSigned, plural } from '../text/number.js';
import { code, cut, details, inline, markdownTable } from './escape.js';
import { isBeyond, layerLines, overviews, worstLines, type Overview } from '../worst.js';

/** How much is shown of what may be long. */
export interface Cut {
  /** Items that a list has at most. */
  most: number;
}

const NONE = '–';
const LONGEST_CELL = 300;

/** One line for each implementation: the worst of all layers and batches. */
export function byImplementation(report: DiffReport, { most }: Cut): string[] {
  const { reference } = report;
  const effects = new Map(overallEffects(report.effects).map((row) => [row.implementation, row]));
  const all = overviews(report);
  const note = lossNote(report);
  const columns = [
    { head: 'implementation' },
    ...[
      'local rel L2',
      'accumulated rel L2',
      'NaN, Inf',
      'on padding',
      ...(hasEffects(report) ? ['Δ loss', 'KL', 'flips'] : []),
    ].map((head) => ({ head, align: 'right' as const })),
  ];
  const cells = ({
    implementation,
    local,
    accumulated,
    nonFinite,
    isMeasured,
    rounding,
  }: Overview): string[] => {
    const isReference = implementation === reference;
    const worst = (row: Row | undefined, limit: number, place: (row: Row) => string): string =>
      row === undefined || isReference ? NONE : `${against(row, limit)} (${place(row)})`;
    return [
      `${code(implementation)}${isReference ? ' \\*' : ''}`,
      worst(local, rounding.local, ({ layer }) => placeText(layer, null)),
      worst(accumulated, rounding.accumulated, ({ layer, tap }) => placeText(layer, tap)),
      isMeasured ? count(nonFinite.valid) : NONE,
      isMeasured ? formatCount(nonFinite.others) : NONE,
      ...(hasEffects(report)
        ? effectCells(effects.get(implementation), isReference ? undefined : effects.get(reference))
        : []),
    ];
  };
  return [
    '### By implementation',
    '',
    ...markdownTable(columns, all.slice(0, most).map(cells)),
    '',
    `The worst on valid tokens, of all layers and batches; \\*: the reference. Local: on the reference's Q, K, V. NaN and Inf: elements in its own stream. Bold: more than rounding explains, or no number.${hasEffects(report) ? ' Loss and KL in nats.' : ''}${note === null ? '' : ` ${inline(note)}`}${all.length > most ? ` ${plural(all.length - most, 'implementation')} left out to fit.` : ''}`,
  ];
}

function effectCells(row: EffectRow | undefined, reference: EffectRow | undefined): string[] {
  if (row === undefined || reference === undefined || row.targets === 0) return [NONE, NONE, NONE];
  return [
    mark(formatSigned(row.loss - reference.loss), row.loss - reference.loss),
    mark(klText(row.kl), row.kl),
    formatCount(row.flips),
  ];
}

/** One line for each layer, one pair of columns for each implementation. */
export function byLayer(report: DiffReport, { most }: Cut): string[] {
  const all = layerLines(report);
  const shown = worstLines(all, most);
  const names = (all[0]?.cells ?? []).slice(0, most).map(({ implementation }) => implementation);
  if (names.length === 0) return [];
  const columns = [
    { head: 'layer', align: 'right' as const },
    ...names.flatMap((name) =>
      ['local', 'accumulated'].map((scope) => ({
        head: `${code(name)} ${scope}`,
        align: 'right' as const,
      })),
    ),
  ];
  const lines = shown.map(({ layer, cells }) => [
    layer === null ? 'logits' : String(layer),
    ...cells
      .slice(0, most)
      .flatMap(({ local, accumulated, rounding }) => [
        against(local, rounding.local),
        against(accumulated, rounding.accumulated),
      ]),
  ]);
  const rest = all.length - shown.length;
  const others = (all[0]?.cells.length ?? 0) - names.length;
  const omitted = [
    ...(rest > 0 ? [`${rest} of ${plural(all.length, 'line')}, those that part least`] : []),
    ...(others > 0 ? [plural(others, 'implementation')] : []),
  ];
  return details('By layer', [
    `Relative L2 on valid tokens, of all batches the worst. Local: attention on the reference's Q, K, V; accumulated: the hidden state after the layer in the implementation's own stream. Bold: more than rounding explains.${omitted.length > 0 ? ` Left out to fit: ${omitted.join(', ')}.` : ''}`,
    '',
    ...markdownTable(columns, lines),
  ]);
}

function against(row: Row | undefined, limit: number): string {
  if (row === undefined) return NONE;
  return isBeyond(row, limit) ? `**${formatNumber(row.relL2)}**` : formatNumber(row.relL2);
}

/** The kernel that ran of each implementation, and what shows it. */
export function kernelTable({ implementations, reference }: DiffReport, { most }: Cut): string[] {
  const columns = ['implementation', 'kernel', 'provider', 'precision', 'evidence'].map((head) => ({
    head,
  }));
  const rows = implementations
    .slice(0, most)
    .map((info) => [
      `${code(info.name)}${info.name === reference ? ' \\*' : ''}`,
      cell(info.kernel),
      cell(info.provider),
      precisionText(info),
      cell(`${proofText(info)}${info.evidence}`),
    ]);
  return [
    ...markdownTable(columns, rows),
    ...(implementations.length > most
      ? ['', `${plural(implementations.length - most, 'implementation')} left out to fit.`]
      : []),
  ];
}

/** Model, batches, machine and the proof of the rebuild, as a list. */
export function environmentLines(report: DiffReport, { most }: Cut): string[] {
  const { batches, model, implementations, environment, rebuild, file, inputNotes } = report;
  const facts = [
    ...modelFacts(model).map(([, value]) => value),
    `SHA-256 ${model.sha256}`,
    ...batches.slice(0, most).map((batch) => `batch ${batchText(batch)}`),
    ...(batches.length > most
      ? [`${plural(batches.length - most, 'more batch', 'more batches')}, left out to fit`]
      : []),
    ...inputNotes.map((note) => `inputs: ${inputNoteText(note)}`),
    `attn-diff ${environment.attnDiff}; ${providerFact(implementations, environment)[1]}`,
    `rebuild: ${rebuildText(rebuild)}`,
    `file: ${fileText(file)}`,
  ];
  return facts.map((fact) => `- ${cell(fact)}`);
}

function cell(text: string): string {
  return inline(cut(text, LONGEST_CELL));
}

/** What is no number stands out. */
function mark(text: string, value: number): string {
  return Number.isFinite(value) ? text : `**${text}**`;
}

function count(value: number): string {
  return value === 0 ? '0' : `**${formatCount(value)}**`;
}
