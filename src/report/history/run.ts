import { createHash } from 'node:crypto';
import { z } from 'zod';
import { findingLevel, overallEffects } from '../../metrics/index.js';
import {
  HISTORY_RUN_SCHEMA,
  type DiffReport,
  type HistoryImplementation,
  type HistoryPlace,
  type HistoryRun,
  type Row,
} from '../../types.js';
import { jsonText } from '../jsonText.js';
import { overviews } from '../worst.js';
import { historyRunSchema } from './schema.js';

/** What of a report is kept in a history. */
export function historyRun(
  report: DiffReport,
  { time, label }: { time: Date; label: string },
): HistoryRun {
  const { model, environment, reference, verdict } = report;
  return {
    schema: HISTORY_RUN_SCHEMA,
    time: time.toISOString(),
    label,
    model: { path: model.path, sha256: model.sha256 },
    attnDiff: environment.attnDiff,
    reference,
    setup: setupOf(report),
    passed: verdict.passed,
    failedChecks: verdict.checks.filter(({ passed, level }) => !passed && level === 'error').length,
    implementations: implementationsOf(report),
    range: rangeOf(report),
  };
}

/** A run as a line of a history, with its line end; NaN and ±Infinity are strings, as in the report. */
export function historyLine(run: HistoryRun): string {
  return `${jsonText(z.encode(historyRunSchema, run))}\n`;
}

function implementationsOf(report: DiffReport): HistoryImplementation[] {
  const effects = overallEffects(report.effects);
  const referenceLoss =
    effects.find(({ implementation }) => implementation === report.reference)?.loss ?? NaN;
  return overviews(report).map(({ implementation, local, accumulated, nonFinite }, i) => {
    const { failure, rounding } = report.implementations[i]!;
    const effect = effects.find((row) => row.implementation === implementation && row.targets > 0);
    return {
      name: implementation,
      failure: failure?.kind ?? null,
      local: implementation === report.reference ? null : placeOf(local, rounding.local),
      accumulated:
        implementation === report.reference ? null : placeOf(accumulated, rounding.accumulated),
      nonFinite: nonFinite.valid,
      effect: effect
        ? {
            targets: effect.targets,
            loss: effect.loss,
            deltaLoss: effect.loss - referenceLoss,
            kl: effect.kl,
            flips: effect.flips,
          }
        : null,
      faults: [
        ...new Set(
          report.findings
            .filter(
              (finding) =>
                'implementation' in finding &&
                finding.implementation === implementation &&
                findingLevel(finding) === 'fault',
            )
            .map(({ code }) => code),
        ),
      ],
    };
  });
}

function placeOf(row: Row | undefined, limit: number): HistoryPlace | null {
  return row ? { relL2: row.relL2, limit, batch: row.batch, layer: row.layer, tap: row.tap } : null;
}

/** The range of all heads with the least headroom, NaN before all. */
function rangeOf({ ranges }: DiffReport): HistoryRun['range'] {
  const whole = ranges.filter(({ head }) => head === null);
  const [first, ...others] = whole.some(({ maxScore }) => Number.isNaN(maxScore))
    ? whole.filter(({ maxScore }) => Number.isNaN(maxScore))
    : whole;
  if (!first) return null;
  const { maxScore, headroom, batch, layer } = others.reduce(
    (most, row) => (row.maxScore > most.maxScore ? row : most),
    first,
  );
  return { maxScore, headroom, batch, layer };
}

function setupOf({ batches, reference, implementations, model }: DiffReport): string {
  const setup = {
    batches: batches.map(({ name, sha256 }) => [name, sha256]),
    reference,
    implementations: implementations.map(({ name, asked, settings, precision, emulated }) => [
      name,
      asked.provider,
      asked.kernel,
      settings,
      precision,
      emulated,
    ]),
    model: [model.precision, model.activations],
  };
  return createHash('sha256').update(JSON.stringify(setup)).digest('hex');
}
