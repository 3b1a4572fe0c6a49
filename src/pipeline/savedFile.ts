import { AttnDiffError } from '../errors.js';
import { readReport, readSaved } from '../report/index.js';
import type { BaselineOptions, DiffReport, HeldBaseline, Saved } from '../types.js';
import { readTextFile } from './textFile.js';

function readText(path: string): string {
  return readTextFile(path, (problem) => new AttnDiffError('report-unreadable', { path, problem }));
}

/**
 * Reads what was saved of a run.
 *
 * @throws AttnDiffError report-unreadable
 */
export function openSaved(path: string): Saved {
  return readSaved(readText(path), path);
}

/**
 * Reads a report that was written as JSON.
 *
 * @throws AttnDiffError report-unreadable
 */
export function openReport(path: string): DiffReport {
  return readReport(readText(path), path);
}

/**
 * Reads the run that another is held against.
 *
 * @throws AttnDiffError report-unreadable, baseline-shard
 */
export function openBaseline(options: BaselineOptions): HeldBaseline {
  const { run, report } = openSaved(options.path);
  if (report?.shard)
    throw new AttnDiffError('baseline-shard', {
      path: options.path,
      index: report.shard.index,
      count: report.shard.count,
    });
  return { ...options, run };
}
