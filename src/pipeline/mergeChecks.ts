import { isDeepStrictEqual } from 'node:util';
import { AttnDiffError } from '../errors.js';
import type { DiffReport, MachineField, Shard } from '../types.js';
import { reportProblem } from '../report/index.js';
import { batchesOf, dataDigest } from './shard.js';

/** A report with the file that it came from. */
export interface ReportFile {
  path: string;
  report: DiffReport;
}

/** The report of one part. */
export interface ShardFile extends ReportFile {
  report: DiffReport & { shard: Shard };
}

/**
 * Checks that reports are the parts of one run: each of a shard, of one run by command, model, data, environment and
 * gate, and every shard there once, with its batches.
 *
 * @param allowed what may differ of the environment; what the rebuild check measured may differ with it
 * @returns the parts, in order
 * @throws AttnDiffError bad-option where there is none; merge-not-shard, merge-differs, merge-twice, merge-missing, merge-damaged
 */
export function checkedShards(
  files: readonly ReportFile[],
  allowed: ReadonlySet<MachineField>,
): ShardFile[] {
  if (files.length === 0)
    throw new AttnDiffError('bad-option', {
      option: 'files',
      value: null,
      problem: 'there is none',
      remedy: 'the JSON reports of all shards',
    });
  const given = files.map(asShard);
  for (const other of given.slice(1))
    agree(given[0]!, other, (report) => identity(report, allowed));
  const shards = given.toSorted((a, b) => a.report.shard.index - b.report.shard.index);
  const twice = shards.findIndex(
    ({ report }, i) => report.shard.index === shards[i - 1]?.report.shard.index,
  );
  if (twice > 0)
    throw new AttnDiffError('merge-twice', {
      path: shards[twice]!.path,
      other: shards[twice - 1]!.path,
      index: shards[twice]!.report.shard.index,
    });
  const { count } = shards[0]!.report.shard;
  const present = new Set(shards.map(({ report }) => report.shard.index));
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter(
    (index) => !present.has(index),
  );
  if (missing.length > 0) throw new AttnDiffError('merge-missing', { missing, count });
  for (const shard of shards) checkBatches(shard);
  checkData(shards);
  return shards;
}

function asShard({ path, report }: ReportFile): ShardFile {
  const { shard } = report;
  if (shard === null) throw new AttnDiffError('merge-not-shard', { path });
  return { path, report: { ...report, shard } };
}

/** What makes a run the run that it is, whichever of its batches are run. */
function identity(
  {
    command,
    model,
    environment,
    reference,
    precision,
    implementations,
    rebuild,
    inputNotes,
    outputs,
    logits,
    shard,
  }: ShardFile['report'],
  allowed: ReadonlySet<MachineField>,
): object {
  const { originalRelL2, equivalentRelL2, nonFinite, ...limits } = rebuild;
  return {
    environment: Object.fromEntries(
      Object.entries(environment).filter(([field]) => !allowed.has(field as MachineField)),
    ),
    command,
    model,
    shard: {
      count: shard.count,
      batches: shard.batches,
      data: shard.data,
      ...(allowed.has('threads') ? {} : { threads: shard.threads }),
      gate: shard.gate,
    },
    inputNotes,
    outputs,
    logits,
    reference,
    precision,
    implementations: implementations.map(
      ({ name, asked, settings, precision: own, emulated, rounding }) => ({
        name,
        asked,
        settings,
        precision: own,
        emulated,
        rounding,
      }),
    ),
    rebuild: allowed.size > 0 ? limits : rebuild,
  };
}

/**
 * Holds one part of what two files say against the other.
 *
 * @throws AttnDiffError merge-differs, with the first field that differs
 */
export function agree<T extends ReportFile>(
  one: T,
  other: T,
  read: (report: T['report']) => unknown,
  field: string = '',
): void {
  const found = difference(read(one.report), read(other.report), field);
  if (found)
    throw new AttnDiffError('merge-differs', { path: other.path, other: one.path, ...found });
}

/** The first field that differs, and both values as JSON; null for a value that is not there. */
function difference(
  a: unknown,
  b: unknown,
  field: string,
): { field: string; value: string | null; otherValue: string | null } | null {
  if (isDeepStrictEqual(a, b)) return null;
  if (!isRecord(a) || !isRecord(b)) return { field, value: valueText(b), otherValue: valueText(a) };
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const found = difference(a[key], b[key], field === '' ? key : `${field}.${key}`);
    if (found) return found;
  }
  return null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function valueText(value: unknown): string | null {
  return value === undefined
    ? null
    : typeof value === 'number'
      ? String(value)
      : JSON.stringify(value);
}

/** A shard has the batches that its place gives it, and of each the rows of every implementation that ran to its end. */
function checkBatches({ path, report }: ShardFile): void {
  const { shard, batches, rows } = report;
  const damaged = (problem: string): AttnDiffError =>
    new AttnDiffError('merge-damaged', { path, problem });
  const due = batchesOf(shard.batches, shard);
  const own = batches.map(({ name }) => name);
  if (!isDeepStrictEqual(own, due))
    throw damaged(
      `its batches are ${own.join(', ') || 'none'}, and should be ${due.join(', ') || 'none'}`,
    );
  const measured = new Set(rows.map(({ batch }) => batch));
  const bare = due.find((batch) => !measured.has(batch));
  if (bare !== undefined) throw damaged(`it measures nothing of batch ${bare}`);
  const problem = reportProblem(report);
  if (problem !== null) throw damaged(problem);
}

/** The batches of all shards are those that each shard was cut from. */
function checkData(shards: readonly ShardFile[]): void {
  const [
    {
      path,
      report: { shard },
    },
  ] = shards as [ShardFile];
  const digests = new Map(
    shards.flatMap(({ report }) =>
      report.batches.map(({ name, sha256 }) => [name, sha256] as const),
    ),
  );
  if (dataDigest(shard.batches.map((name) => digests.get(name)!)) !== shard.data)
    throw new AttnDiffError('merge-damaged', {
      path,
      problem: 'shard.data is not the digest of the batches of all shards',
    });
}
