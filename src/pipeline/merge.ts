import { worstMaps } from '../metrics/index.js';
import type {
  DiffReport,
  EnvironmentInfo,
  FileJudgement,
  MachineField,
  RunImplementationInfo,
} from '../types.js';
import { FILE_FINDINGS } from './fileFindings.js';
import { conclude } from './conclude.js';
import { failed } from './evidence.js';
import { mergedFile } from './fileJudge.js';
import { agree, checkedShards, type ReportFile, type ShardFile } from './mergeChecks.js';
import { replayed } from './recordedLook.js';

/**
 * Makes the report of a run from those of all its shards: the report that one run would have given, but for `timing`,
 * which is the sum of the shards'. Rows, effects and ranges come back in the order of the batches; what is concluded of
 * them is concluded again, of all together, with the answers that second passes gave the shards. The model is not needed.
 *
 * An implementation that failed in one shard has failed, as in a run that went on after it.
 *
 * @param files in any order
 * @param allowed what may differ of the environment; where it does, the report says what it was in which shards, and
 *   the rebuild check is the worst of all
 * @throws AttnDiffError bad-option where there is no file; merge-not-shard, merge-differs, merge-twice, merge-missing, merge-damaged, merge-unanswered
 */
export async function mergeShards(
  files: readonly ReportFile[],
  allowed: ReadonlySet<MachineField> = new Set(),
): Promise<DiffReport> {
  const shards = checkedShards(files, allowed);
  const [{ report: first }] = shards as [ShardFile];
  const names = first.shard.batches;
  const partOf = new Map(
    shards.flatMap(({ path, report }) =>
      report.batches.map(({ name }) => [name, { path, answers: report.shard.answers }] as const),
    ),
  );
  const inOrder = <T>(
    list: (report: DiffReport) => readonly T[],
    batchOf: (item: T) => string,
  ): T[] => {
    const byBatch = grouped(
      shards.flatMap(({ report }) => list(report)),
      batchOf,
    );
    return names.flatMap((name) => byBatch.get(name) ?? []);
  };
  const rows = inOrder(
    ({ rows: own }) => own,
    ({ batch }) => batch,
  );
  const effects = inOrder(
    ({ effects: own }) => own,
    ({ batch }) => batch,
  );
  const batches = inOrder(
    ({ batches: own }) => own,
    ({ name }) => name,
  );
  const implementations = mergedImplementations(shards);
  const {
    schema,
    command,
    configFile,
    configuration,
    model,
    reference,
    precision,
    rebuild,
    inputNotes,
    outputs,
    logits,
  } = first;
  const [firstMeasuring, ...others] = measuring(shards).map(({ report }) => report.file) as [
    FileJudgement,
    ...FileJudgement[],
  ];
  const file = mergedFile([firstMeasuring, ...others], names);
  const seconds = (key: keyof DiffReport['timing']): number =>
    shards.reduce((sum, { report }) => sum + report.timing[key], 0);
  return {
    schema,
    command,
    configFile,
    configuration,
    model,
    environment: mergedEnvironment(shards),
    batches,
    implementations,
    reference,
    precision,
    rebuild: {
      ...rebuild,
      originalRelL2: Math.max(...shards.map(({ report }) => report.rebuild.originalRelL2)),
      equivalentRelL2: Math.max(...shards.map(({ report }) => report.rebuild.equivalentRelL2)),
    },
    file,
    inputNotes,
    outputs,
    logits,
    rows,
    effects,
    ranges: inOrder(
      ({ ranges }) => ranges,
      ({ batch }) => batch,
    ),
    maps: worstMaps(
      inOrder(
        ({ maps }) => maps,
        ({ batch }) => batch,
      ),
      rows,
    ),
    ...(await conclude(
      {
        rows,
        effects,
        batches,
        implementations,
        reference,
        precision,
        ofFile: sameFileFindings(shards),
        file,
        constant: rebuild.constant,
      },
      { gate: first.shard.gate, look: replayed((batch) => partOf.get(batch)!), isPart: false },
    )),
    baseline: null,
    shard: null,
    timing: { loadSeconds: seconds('loadSeconds'), runSeconds: seconds('runSeconds') },
  };
}

/** Shards with batches: the others have seen nothing of the run but its model. */
function measuring(shards: readonly ShardFile[]): [ShardFile, ...ShardFile[]] {
  return shards.filter(({ report }) => report.batches.length > 0) as [ShardFile, ...ShardFile[]];
}

/** What each implementation was seen to run, which must be the same in all shards that saw it, and the first failure of it. */
function mergedImplementations(shards: readonly ShardFile[]): RunImplementationInfo[] {
  const own = measuring(shards);
  const order = own[0].report.shard.batches;
  return own[0].report.implementations.map(({ name }, place) => {
    const infoOf = ({ report }: ShardFile): RunImplementationInfo => report.implementations[place]!;
    const sound = own.filter((shard) => infoOf(shard).failure === null);
    for (const other of sound.slice(1))
      agree(
        sound[0]!,
        other,
        ({ implementations }) => implementations[place],
        `implementations.${name}`,
      );
    const failures = own
      .flatMap((shard) => infoOf(shard).failure ?? [])
      .toSorted((a, b) => order.indexOf(a.batch ?? '') - order.indexOf(b.batch ?? ''));
    const seen = sound[0] ?? own.find((shard) => infoOf(shard).kernel !== 'unknown') ?? own[0];
    return failures[0] ? { ...infoOf(seen), ...failed(infoOf(seen), failures[0]) } : infoOf(seen);
  });
}

function sameFileFindings(shards: readonly ShardFile[]): DiffReport['findings'] {
  const ofFile = ({ findings }: DiffReport): DiffReport['findings'] =>
    findings.filter(({ code }) => FILE_FINDINGS.has(code));
  const [first, ...others] = measuring(shards);
  for (const other of others) agree(first, other, ofFile, 'findings');
  return ofFile(first.report);
}

/** What differs between the shards, with the shards that it is of: `EPYC 7B13 (shards 1, 3); EPYC 7763 (shard 2)`. Threads go with the processor. */
function mergedEnvironment(shards: readonly ShardFile[]): EnvironmentInfo {
  const [
    {
      report: { environment },
    },
  ] = shards as [ShardFile];
  const isThreaded = new Set(shards.map(({ report }) => report.shard.threads)).size > 1;
  const merged = Object.keys(environment).map((key) => {
    const field = key as keyof EnvironmentInfo;
    const byValue = grouped(
      shards,
      ({ report }) =>
        `${report.environment[field] ?? 'none'}${field === 'cpu' && isThreaded ? `, ${report.shard.threads} ${report.shard.threads === 1 ? 'thread' : 'threads'}` : ''}`,
    );
    if (byValue.size === 1) return [field, environment[field]];
    return [
      field,
      [...byValue]
        .map(
          ([value, own]) => `${value} (${placesText(own.map(({ report }) => report.shard.index))})`,
        )
        .join('; '),
    ];
  });
  return Object.fromEntries(merged) as EnvironmentInfo;
}

function grouped<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/** `shard 2`, `shards 1–3, 5`. */
function placesText(places: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const place of places) {
    const last = ranges.at(-1);
    if (last && place === last[1] + 1) last[1] = place;
    else ranges.push([place, place]);
  }
  return `${places.length === 1 ? 'shard' : 'shards'} ${ranges.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ')}`;
}
