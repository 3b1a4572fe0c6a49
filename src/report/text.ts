import type { DiffReport } from '../types.js';
import { contextOf, type RenderOptions } from './text/context.js';
import { divergence } from './text/divergence.js';
import { header } from './text/header.js';
import { nonFinite } from './text/nonFinite.js';
import { padding } from './text/padding.js';
import { findingsSection, verdictSection } from './text/verdict.js';

const SECTIONS = [header, divergence, padding, nonFinite, findingsSection, verdictSection];

/**
 * The report for a terminal: header, divergence, padding, NaN and Inf, findings, verdict.
 *
 * @param options `width` in columns: no line is longer, for 60 and more; `color`: whether to write ANSI colour codes
 * @returns text that ends in a line end
 */
export function textReport(report: DiffReport, options: RenderOptions): string {
  const context = contextOf(options);
  const sections = SECTIONS.map((section) => section(report, context).join('\n')).filter((text) => text !== '');
  return `${sections.join('\n\n')}\n`;
}
