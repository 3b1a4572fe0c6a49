import { readFileSync } from 'node:fs';
import { AttnDiffError } from '../errors.js';
import { readSaved } from '../report/index.js';
import type { BaselineOptions, HeldBaseline, Saved } from '../types.js';

/**
 * Reads what was saved of a run.
 *
 * @throws AttnDiffError report-unreadable
 */
export function openSaved(path: string): Saved {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new AttnDiffError('report-unreadable', { path, problem: (error as NodeJS.ErrnoException).code ?? String(error) });
  }
  return readSaved(text, path);
}

/**
 * Reads the run that another is held against.
 *
 * @throws AttnDiffError report-unreadable, baseline-shard
 */
export function openBaseline(options: BaselineOptions): HeldBaseline {
  const { run, report } = openSaved(options.path);
  if (report?.shard) throw new AttnDiffError('baseline-shard', { path: options.path, index: report.shard.index, count: report.shard.count });
  return { ...options, run };
}
