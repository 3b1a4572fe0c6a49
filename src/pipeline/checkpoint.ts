import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { checkNesting } from '../boundedJson.js';
import { AttnDiffError } from '../errors.js';
import { writeWhole } from '../files/temporary.js';
import type { BatchResult } from './measure.js';
import type { PreparedRun } from './prepare.js';
import { resultProblem, rowsProblem } from '../report/index.js';
import { describeBatch, describeHost } from './describe.js';

/** What must be the same for the batches of an interrupted run to count in another; each a digest or a version. */
type Key = Record<'model' | 'options' | 'data' | 'attn-diff' | 'onnxruntime', string>;

/** The finished batches of a run, on disk as they come. */
export interface Checkpoint {
  path: string;
  /** Batches that an earlier run finished, in order. */
  done: BatchResult[];
  keep(result: BatchResult): void;
  /** The run is complete: nothing is left to go on from. */
  remove(): void;
}

/**
 * Opens the file that keeps the finished batches of a run.
 *
 * @param resume whether to go on from what it holds; a file that is not there is an empty one
 * @throws AttnDiffError resume-unasked (it holds batches and `resume` is false), resume-mismatch (another model,
 *   other options, data or versions), resume-unreadable, output-not-writable
 */
export function openCheckpoint(path: string, run: PreparedRun, resume: boolean): Checkpoint {
  const key = keyOf(run);
  const guard = <T>(step: () => T): T => {
    try {
      return step();
    } catch (error) {
      throw new AttnDiffError('output-not-writable', {
        path,
        problem: (error as NodeJS.ErrnoException).code ?? String(error),
      });
    }
  };
  const text = guard(() => (existsSync(path) ? readFileSync(path, 'utf8') : null));
  const done = text === null ? [] : readDone(text, path, { key, run }, resume);
  // Written anew, so that a last line that was cut off is gone; with nothing to keep yet, only to see that it can be.
  const begin = (): void => writeWhole(path, [key, ...done].map(line).join(''));
  guard(begin);
  if (done.length === 0) guard(() => rmSync(path));
  let begun = done.length > 0;
  return {
    path,
    done,
    keep: (result) =>
      guard(() => {
        if (!begun) begin();
        begun = true;
        appendFileSync(path, line(result));
      }),
    remove: () => rmSync(path, { force: true }),
  };
}

function readDone(
  text: string,
  path: string,
  { key, run }: { key: Key; run: PreparedRun },
  resume: boolean,
): BatchResult[] {
  // What follows the last line end was cut off while it was written.
  const [first, ...rest] = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((part) => part !== '');
  let saved: Partial<Key>;
  let results: BatchResult[];
  try {
    saved = parse(first ?? 'null') as Partial<Key>;
    results = rest.map((part) => parse(part) as BatchResult);
    if (typeof saved?.model !== 'string')
      throw new SyntaxError('it is no list of finished batches');
  } catch (error) {
    throw new AttnDiffError('resume-unreadable', { path, problem: (error as Error).message });
  }
  if (!resume) {
    if (results.length === 0) return [];
    throw new AttnDiffError('resume-unasked', { path, batches: results.length });
  }
  const differs = (Object.keys(key) as (keyof Key)[]).find((field) => saved[field] !== key[field]);
  if (differs) throw new AttnDiffError('resume-mismatch', { path, field: differs });
  const problem = doneProblem(results, run);
  if (problem !== null) throw new AttnDiffError('resume-unreadable', { path, problem });
  return results;
}

/** What is wrong with results as those of the first batches of a run; null where nothing is. */
function doneProblem(
  results: readonly BatchResult[],
  { config, loaded, batches }: PreparedRun,
): string | null {
  if (results.length > batches.length)
    return `it holds ${results.length} batches, and the run has ${batches.length}`;
  for (const [i, result] of results.entries()) {
    const problem = resultProblem(result);
    if (problem !== null) return `line ${i + 2}, ${problem}`;
    const stray = [
      ...result.rows,
      ...result.effects,
      ...result.ranges,
      ...(result.map ? [result.map] : []),
    ].find(({ batch }) => batch !== batches[i]!.name);
    if (stray)
      return `line ${i + 2} is of batch ${stray.batch}, and should be of ${batches[i]!.name}`;
  }
  const failed = new Set(
    results.flatMap(({ failures }) => failures.map(({ implementation }) => implementation)),
  );
  const implementations = config.implementations
    .filter(({ hidden }) => !hidden)
    .map(({ label }) => ({ name: label, isComplete: !failed.has(label) }));
  const run = {
    layers: loaded.source.config.layers,
    reference: config.reference,
    batches: batches.slice(0, results.length).map(describeBatch),
    implementations,
  };
  return rowsProblem(
    run,
    results.flatMap(({ rows }) => rows),
    results.flatMap(({ effects }) => effects),
  );
}

function keyOf({ config, loaded, batches }: PreparedRun): Key {
  const { attnDiff, onnxruntime } = describeHost();
  const {
    command: _command,
    reports: _reports,
    headsTold: _headsTold,
    ci: _ci,
    gate: _gate,
    baseline: _baseline,
    saveBaseline: _saveBaseline,
    resume: _resume,
    ...options
  } = config;
  const data = createHash('sha256');
  for (const { inputIds, attentionMask } of batches)
    data.update(bytes(inputIds)).update(bytes(attentionMask));
  const model = createHash('sha256').update(readFileSync(loaded.source.onnxPath));
  // Gigabytes of external weights are told apart by size and time.
  for (const file of loaded.externalFiles) {
    const { size, mtimeMs } = statSync(join(loaded.source.onnxPath, '..', file));
    model.update(`${file} ${size} ${mtimeMs}`);
  }
  return {
    model: model.digest('hex'),
    options: createHash('sha256').update(JSON.stringify(options)).digest('hex'),
    data: data.digest('hex'),
    'attn-diff': attnDiff,
    onnxruntime,
  };
}

function bytes({ buffer, byteOffset, byteLength }: BigInt64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** One value as a line of JSON; a number that JSON has none for is an object of its own. */
function line(value: unknown): string {
  return `${JSON.stringify(value, (_key, item: unknown) => (typeof item === 'number' && !Number.isFinite(item) ? { nonFinite: String(item) } : item))}\n`;
}

function parse(text: string): unknown {
  checkNesting(text);
  return JSON.parse(text, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && 'nonFinite' in item
      ? Number(item.nonFinite)
      : item,
  );
}
