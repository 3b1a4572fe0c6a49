import type { KeyDifference, KeyField } from '../baselineTypes.js';
import { listText } from '../report/listText.js';
import { differenceSubject, keyValueText } from '../report/text/keys.js';
import { plural } from '../report/text/number.js';
import { printable, truncate } from '../report/text/width.js';
import { MACHINE_FIELDS } from '../types.js';
import { clause, error, quote } from './wording.js';

/** Files of attn-diff itself, configurations, reports, baselines, cannot be used: exit code 2. */
export const SAVED = {
  'resume-unasked': error(
    (a: { path: string; batches: number }) =>
      `${a.path}: it holds ${plural(a.batches, 'finished batch', 'finished batches')} of an interrupted run`,
    'Go on from there with --resume, or remove it',
  ),
  'resume-mismatch': error(
    (a: { path: string; field: string }) =>
      `${a.path}: it was written with another ${a.field === 'options' || a.field === 'data' ? a.field : `version or file of ${a.field}`}, so its batches cannot be part of this run`,
    'Run the very command that was interrupted, or remove the file',
  ),
  'resume-unreadable': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: it is not what an interrupted run leaves: ${clause(a.problem)}`,
    'Remove it, or give --output another name',
  ),
  'config-file-unreadable': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: it cannot be read as a configuration: ${clause(a.problem)}`,
    'Give --config a file that can, or leave it out',
  ),
  /** `line` is from 1; `key` is null where it is about the whole. */
  'config-file-invalid': error(
    (a: { path: string; line: number; key: string | null; problem: string }) =>
      `${a.path}:${a.line}${a.key === null ? '' : `, ${a.key}`}: ${clause(a.problem)}`,
    'attn-diff schema config lists what a configuration may hold',
  ),
  /** `flag` is the option of the key; `tools`: a folder such as .git or node_modules. */
  'config-file-outside': error(
    (a: {
      path: string;
      line: number;
      key: string;
      target: string;
      place: 'outside' | 'tools';
      flag: string;
    }) =>
      `${a.path}:${a.line}, ${a.key}: ${quote(a.target)} is ${a.place === 'outside' ? 'not below its folder' : 'in a folder that programs take code from'}, and a configuration that is found rather than named may not write there`,
    (a) =>
      `If you trust it, give --config ${a.path}; else say with ${a.flag} where to write, or leave the file out with --no-config`,
  ),
  'config-file-ambiguous': error(
    (a: { paths: string[] }) => `there are several configurations, ${listText(a.paths)}`,
    'Keep one, or name it with --config',
  ),
  'config-file-there': error(
    (a: { path: string }) =>
      `${a.path}: it holds a configuration already, and there may be one only`,
    'Change that, or remove it',
  ),
  'report-unreadable': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: no run can be read from it: ${clause(a.problem)}`,
    'Give a file that attn-diff wrote with --report json=FILE or --save-baseline FILE',
  ),
  /** `line` counts from 1; null where it is about the whole file. */
  'history-unreadable': error(
    (a: { path: string; line: number | null; problem: string }) =>
      `${a.path}${a.line === null ? '' : `:${a.line}`}: it is no history that attn-diff run wrote with --history: ${clause(a.problem)}`,
    'Give such a file',
  ),
  /** The first difference, and all fields that differ. */
  'baseline-mismatch': error(
    (a: { path: string; fields: readonly KeyField[] } & KeyDifference) =>
      `${a.path}: it measures something else: ${differenceSubject(a)}: ${clause(keyValueText(a.was))} there, ${clause(keyValueText(a.is))} here${a.fields.length > 1 ? `; ${a.fields.slice(1).join(', ')} too` : ''}`,
    (a) =>
      `Let that pass with --allow ${a.fields.join(',')}, or save a new baseline with --save-baseline`,
  ),
  'baseline-apart': error(
    (a: { path: string; what: 'batches' | 'implementations'; was: string; is: string }) =>
      `${a.path}: nothing can be compared, since of the ${a.what} none is in both: ${clause(a.was)} there, ${clause(a.is)} here`,
    'Run what was run then, or save a new baseline with --save-baseline',
  ),
  'baseline-shard': error(
    (a: { path: string; index: number; count: number }) =>
      `${a.path}: it is part ${a.index} of ${a.count} of a run, and no baseline`,
    'Join the parts first (attn-diff merge)',
  ),
  'merge-not-shard': error(
    (a: { path: string }) => `${a.path}: it is the report of a whole run, not of a shard`,
    'Give the JSON reports of runs with --shard i/n, and nothing else',
  ),
  /** The first field that differs, with its values as JSON; null where it is not there. */
  'merge-differs': error(
    (a: {
      path: string;
      other: string;
      field: string;
      value: string | null;
      otherValue: string | null;
    }) =>
      `${a.path}: ${a.field} is ${valueText(a.value)}, but ${valueText(a.otherValue)} in ${a.other}, so these are not shards of one run`,
    (a) => differenceRemedy(a.field),
  ),
  'merge-twice': error(
    (a: { path: string; other: string; index: number }) =>
      `${a.path}: it is shard ${a.index}, as ${a.other} is`,
    'Give each shard once',
  ),
  'merge-missing': error(
    (a: { missing: number[]; count: number }) =>
      `${a.missing.length === 1 ? 'shard' : 'shards'} ${clause(a.missing.join(', '))} of ${a.count} ${a.missing.length === 1 ? 'is' : 'are'} missing`,
    'Give the JSON reports of all',
  ),
  'merge-damaged': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: it is not as attn-diff wrote it: ${clause(a.problem)}`,
    'Run that shard again',
  ),
  'merge-unanswered': error(
    (a: { path: string; implementation: string; batch: string }) =>
      `${a.path}: it does not hold what a second look at ${a.implementation} in batch ${a.batch} found, which the report of the whole needs`,
    'Run that shard again, with the same version of attn-diff',
  ),
};

function valueText(json: string | null): string {
  return json === null ? 'absent' : truncate(printable(json), 80);
}

function differenceRemedy(field: string): string {
  const machine = MACHINE_FIELDS.find(
    (each) => field === `environment.${each}` || field === `shard.${each}`,
  );
  return machine
    ? `Run all shards on machines of one kind, or let it differ with --allow ${machine}`
    : 'Run all shards with the same command, the same files and the same version';
}
