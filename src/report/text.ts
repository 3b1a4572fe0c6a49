import { terminalText } from '../printable.js';
import type { DiffReport } from '../types.js';
import { contextOf, type Context, type RenderOptions } from './text/context.js';
import { baselineSection } from './text/baseline.js';
import { divergence } from './text/divergence.js';
import { effects } from './text/effects.js';
import { header } from './text/header.js';
import { condensed } from './text/manyBatches.js';
import { nonFinite } from './text/nonFinite.js';
import { padding } from './text/padding.js';
import { ranges } from './text/ranges.js';
import { findingsSection, verdictSection } from './text/verdict.js';

type Section = (report: DiffReport, context: Context) => string[];

/** Tables by layer; of many batches they show the worst. */
const byLayer =
  (section: Section): Section =>
  (report, context) =>
    section(condensed(report), context);

const SECTIONS: readonly Section[] = [
  byLayer(header),
  byLayer(divergence),
  effects,
  byLayer(padding),
  byLayer(nonFinite),
  ranges,
  baselineSection,
  findingsSection,
  verdictSection,
];

/** Of a shard without batches there is nothing to tabulate. */
const WITHOUT_BATCHES: readonly Section[] = [header, verdictSection];

/**
 * The report for a terminal: header, divergence, effects, padding, NaN and Inf, ranges, baseline, findings, verdict.
 *
 * @param options `width` in columns: no line is longer, for 60 and more; `color`: whether to write ANSI colour codes
 * @returns text that ends in a line end
 */
export function textReport(report: DiffReport, options: RenderOptions): string {
  const context = contextOf(options);
  const sections = (report.batches.length === 0 ? WITHOUT_BATCHES : SECTIONS)
    .map((section) => section(report, context).join('\n'))
    .filter((text) => text !== '');
  return terminalText(`${sections.join('\n\n')}\n`);
}
