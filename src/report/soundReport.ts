import { ROUNDING } from '../metrics/index.js';
import type { Check, DiffReport, Precision, SavedRun, Shard } from '../types.js';
import { rowsProblem } from './soundRows.js';

type RunOf = Pick<SavedRun, 'model' | 'batches' | 'reference'> & {
  implementations: readonly (Pick<
    SavedRun['implementations'][number],
    'name' | 'precision' | 'asked' | 'rounding'
  > &
    Partial<Pick<DiffReport['implementations'][number], 'failure'>>)[];
};

/**
 * What is wrong with a saved run though its schema allows it: see {@link rowsProblem}; tokens that a batch cannot have;
 * a rounding that none of the precisions has. Null where nothing is.
 */
export function savedRunProblem(run: SavedRun): string | null {
  return headProblem(run) ?? rowsProblem(rowsOf(run), run.rows, run.effects);
}

/**
 * As {@link savedRunProblem}, of a whole report; further a verdict that its checks do not make, and ranges, maps and
 * findings of what the run does not have.
 */
export function reportProblem(report: DiffReport): string | null {
  return (
    headProblem(report) ??
    rowsProblem(rowsOf(report), report.rows, report.effects) ??
    placesProblem(report) ??
    fileProblem(report) ??
    verdictProblem(report) ??
    (report.shard && shardProblem(report.shard))
  );
}

function rowsOf({
  model,
  batches,
  reference,
  implementations,
}: RunOf): Parameters<typeof rowsProblem>[0] {
  return {
    layers: model.layers,
    batches,
    reference,
    implementations: implementations.map(({ name, failure = null }) => ({
      name,
      isComplete: failure === null,
    })),
  };
}

function headProblem(run: RunOf): string | null {
  const batch = run.batches.find(
    ({ size, length, tokens }) =>
      tokens.valid + tokens.padding + tokens.fullyMasked !== size * length,
  );
  if (batch) return `batch ${batch.name} has not as many tokens as ${batch.size} × ${batch.length}`;
  const most = largestRounding(run);
  const coarse = run.implementations.find(
    ({ rounding }) => Math.max(rounding.local, rounding.accumulated) > most,
  );
  return coarse
    ? `the rounding of ${coarse.name} is ${Math.max(coarse.rounding.local, coarse.rounding.accumulated)}, and no precision of the run explains more than ${most}`
    : null;
}

/** What the coarsest precision that may take part explains; other providers than the CPU may have TF32, or bfloat16 for a widened file. */
function largestRounding({ model, implementations }: RunOf): number {
  const isElsewhere = implementations.some(({ asked }) => asked.provider !== 'cpu');
  const precisions: Precision[] = [
    model.precision,
    ...(model.activations === null ? [] : [model.activations]),
    ...implementations.map(({ precision }) => precision),
    ...(isElsewhere ? (['bf16'] as const) : []),
  ];
  return Math.max(...precisions.map((precision) => ROUNDING[precision]));
}

function placesProblem({
  model,
  batches,
  implementations,
  ranges,
  maps,
  findings,
  file,
}: DiffReport): string | null {
  const batchOf = new Map(batches.map((batch) => [batch.name, batch]));
  const names = new Set([...implementations.map(({ name }) => name), file.label]);
  const seen = new Set<string>();
  for (const { batch, layer, head } of ranges) {
    const key = `${batch}\u0000${layer}\u0000${head}`;
    if (!batchOf.has(batch) || layer >= model.layers || (head ?? 0) >= model.heads || seen.has(key))
      return `the range of layer ${layer}, batch ${batch} is there twice, or of no such place`;
    seen.add(key);
  }
  for (const { batch, size, length, kinds, streams } of maps) {
    const own = batchOf.get(batch);
    if (!own || own.size !== size || own.length !== length || kinds.length !== size * length)
      return `the map of batch ${batch} is not of its size`;
    const short = streams.find(
      ({ layers, relL2 }) => Buffer.from(relL2, 'base64').length !== layers.length * kinds.length,
    );
    if (short)
      return `the map of ${short.implementation} in batch ${batch} has not a number for each token`;
  }
  const stray = findings.find(
    (finding) =>
      ('implementation' in finding && !names.has(finding.implementation)) ||
      ('batch' in finding && !batchOf.has(finding.batch)),
  );
  return stray ? `the finding ${stray.code} is of no batch or implementation of the run` : null;
}

/** The file's own nodes ran on batches of the run, on all of them where nothing else judged it, and its rows are of those. */
function fileProblem({ batches, file, model }: DiffReport): string | null {
  const names = batches.map(({ name }) => name);
  const stray = file.batches.find((name) => !names.includes(name));
  if (stray !== undefined)
    return `the file's own nodes ran on batch ${stray}, which the run does not have`;
  if (file.means === 'ran' && file.batches.length < names.length)
    return `the file's own nodes ran on ${file.batches.length} of ${names.length} batches, and nothing stands for them`;
  const odd = file.rows.find(
    ({ batch, implementation, layer, nan, inf }) =>
      implementation !== file.label ||
      !file.batches.includes(batch) ||
      (layer ?? 0) >= model.layers ||
      nan + inf === 0,
  );
  return odd
    ? `a row of the file's own nodes is of ${odd.implementation}, batch ${odd.batch}, layer ${odd.layer}, or holds no NaN or Inf`
    : null;
}

function verdictProblem({ verdict }: DiffReport): string | null {
  const wrong = verdict.checks.find((check) => check.passed !== holds(check));
  if (wrong)
    return `the check ${wrong.name} of ${wrong.implementation} has ${wrong.passed ? 'passed' : 'failed'}, which its numbers do not say`;
  return verdict.passed === verdict.checks.every(({ passed, level }) => passed || level === 'warn')
    ? null
    : 'its verdict is not what its checks make of it';
}

/** Whether a number stands to its limit as it must; NaN never does. */
function holds({ operator, actual, expected }: Check): boolean {
  switch (operator) {
    case '<=':
      return actual <= expected;
    case '>=':
      return actual >= expected;
    case '==':
      return actual === expected;
    case '>':
      return actual > expected;
  }
}

function shardProblem({ index, count, gate }: Shard): string | null {
  if (index > count) return `it is part ${index} of ${count}`;
  const loose = gate.budgets.find(({ level, limit }) => level !== 'off' && !Number.isFinite(limit));
  return loose ? `the budget of ${loose.metric} has the limit ${loose.limit}` : null;
}
