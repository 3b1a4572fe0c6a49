import { createHash } from 'node:crypto';
import type { PageAssets } from '../pageTypes.js';
import type { DiffReport } from '../types.js';
import { configurationLine, isSuspect } from './configurationText.js';
import { pageData } from './html/data.js';
import { runPart, tablesPart } from './html/facts.js';
import { html, jsonMarkup, Markup, type Part } from './html/markup.js';
import {
  divergencePart,
  effectsPart,
  headsPart,
  heatMapPart,
  nonFinitePart,
  paddingPart,
  rangesPart,
} from './html/measures.js';
import { sectionMarkup } from './html/parts.js';
import { findingsPart, outcome, verdictPart } from './html/verdict.js';
import type { RenderOptions } from './text/context.js';
import { plural } from './text/number.js';
import { verdictWord } from './verdictText.js';

const NO_ASSETS: PageAssets = { script: '', style: '' };

/**
 * The report as one HTML file that needs no network: what matters is in it as text, charts and sortable tables are made
 * by its script of the data that it holds. Its Content-Security-Policy allows that script and nothing else.
 *
 * @param options `page` gives script and style; without it there are no charts
 */
export function htmlReport(report: DiffReport, { page }: RenderOptions): string {
  const { script, style } = page?.() ?? NO_ASSETS;
  const sections = [
    verdictPart(report),
    findingsPart(report),
    divergencePart(report),
    heatMapPart(report),
    nonFinitePart(report),
    effectsPart(report),
    rangesPart(report),
    headsPart(report),
    paddingPart(report),
    runPart(report),
    tablesPart(report),
  ].filter((part) => part !== null);
  const { model, environment, verdict } = report;
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="attn-diff ${environment.attnDiff}">
<title>${verdictWord(verdict)}: attn-diff, ${model.path}</title>
<link rel="icon" href="data:,">
<style>
${new Markup(style)}</style>
</head>
<body class="${outcome(report)}">
<a class="skip" href="#verdict">Skip to the verdict</a>
<header>
<p class="brand">attn-diff ${environment.attnDiff}</p>
<h1>${heading(report)}</h1>
<p>${summary(report)}</p>
${configurationMarkup(report)}</header>
<nav aria-label="Parts of the report"><ul>
${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>\n`)}</ul></nav>
<main>
${sections.map(sectionMarkup)}</main>
<footer><p>Made by attn-diff ${environment.attnDiff}. Numbers have three digits here; the JSON report has all.</p></footer>
${scripts(report, script)}</body>
</html>
`;
  return document.text;
}

function heading({ implementations, reference }: DiffReport): string {
  const others = implementations.map(({ name }) => name).filter((name) => name !== reference);
  return `${others.join(', ') || 'nothing'} against ${reference}`;
}

function summary({ model, batches, shard }: DiffReport): string {
  const valid = batches.reduce((sum, { tokens }) => sum + tokens.valid, 0);
  return `${model.path}: ${plural(model.layers, 'layer')}, ${plural(valid, 'valid token')} in ${plural(batches.length, 'batch', 'batches')}${shard === null ? '' : `, part ${shard.index} of ${shard.count}`}`;
}

function configurationMarkup(report: DiffReport): Part {
  const line = configurationLine(report);
  if (line === null) return null;
  return html`<p class="${isSuspect(report) ? 'configuration suspect' : 'configuration'}">${isSuspect(report) ? '! ' : ''}${line}.</p>
`;
}

/** The data, and the script where there is one. */
function scripts(report: DiffReport, script: string): Part {
  if (script === '') return null;
  return html`<script type="application/json" id="data">${jsonMarkup(pageData(report))}</script>
<script>${new Markup(script)}</script>
`;
}

function policy(script: string): string {
  const allowed =
    script === ''
      ? ''
      : ` script-src 'sha256-${createHash('sha256').update(script).digest('base64')}';`;
  return `default-src 'none'; style-src 'unsafe-inline'; img-src data:;${allowed} base-uri 'none'; form-action 'none'`;
}
