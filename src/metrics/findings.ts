import {
  CAUSES,
  type Cause,
  type FileJudgement,
  type Finding,
  type RebuildCheck,
  type Row,
} from '../types.js';
import { divergenceFindings, FP32_LIMITS, type RoundingLimits } from './divergence.js';
import { nonFiniteFindings, notComparable } from './nonFinite.js';
import { ranksOf } from './order.js';
import { paddingFindings } from './padding.js';

/** The most severe first. */
const SEVERITY = ranksOf<Finding['code']>({
  'nothing-compared': true,
  'fully-masked-nan': true,
  'score-overflow': true,
  'non-finite': true,
  'not-comparable': true,
  'implementation-failed': true,
  'kernel-fallback': true,
  'kernel-fault': true,
  'wrong-mask': true,
  'window-not-as-configured': true,
  'not-as-configured': true,
  'stray-cast': true,
  'left-out': true,
  'node-divergence': true,
  ...(Object.fromEntries(CAUSES.map((cause) => [cause, true])) as Record<Cause, true>),
  'local-divergence': true,
  'guarded-inf-mask': true,
  'propagation-only': true,
  'within-rounding': true,
  identical: true,
  'padding-by-design': true,
});

/**
 * Reads the rows and says what they mean, as data: the gravest finding first, then in the order of `implementations`.
 *
 * @param rows rows of every implementation, the reference included (as accumulated rows)
 * @param batches the batches, in the order in which they are to be named
 * @param implementations labels of the streams (`eager`, `eager#2`)
 * @param reference the label of the reference
 * @param limits what rounding explains of each implementation's difference; that of fp32 unless told otherwise
 * @param file the rows with NaN or Inf of the file's own nodes, where they ran beside the implementations
 * @param constant what is the same for every token, so that nothing shows there
 */
export function findings(
  rows: readonly Row[],
  batches: readonly { name: string }[],
  implementations: readonly string[],
  reference: string,
  limits: (implementation: string) => RoundingLimits = () => FP32_LIMITS,
  {
    file = null,
    constant = [],
  }: {
    file?: Pick<FileJudgement, 'label' | 'rows'> | null;
    constant?: RebuildCheck['constant'];
  } = {},
): Finding[] {
  const grouped = groupedBy(rows, (row) => row.implementation);
  const inBatch = new Map(
    [...grouped].map(([name, own]) => [name, groupedBy(own, (row) => row.batch)]),
  );
  const ofFile = groupedBy(file?.rows ?? [], (row) => row.batch);
  const rowsOf = (name: string): readonly Row[] => grouped.get(name) ?? [];
  const rowsIn = (name: string, batch: string): readonly Row[] =>
    inBatch.get(name)?.get(batch) ?? [];
  const others = implementations.filter((name) => name !== reference);
  const referenceRows = rowsOf(reference);
  const found: Finding[] = [];

  const inBatches: Finding[] = [];
  for (const { name: batch } of batches) {
    const referenceInBatch = rowsIn(reference, batch);
    for (const name of implementations) {
      const own = rowsIn(name, batch);
      inBatches.push(...nonFiniteFindings(own, referenceInBatch));
      if (name !== reference) inBatches.push(...notComparable(own, referenceInBatch));
    }
    if (file) inBatches.push(...nonFiniteFindings(ofFile.get(batch) ?? [], referenceInBatch));
  }
  found.push(...joined(inBatches));
  for (const name of others) {
    found.push(
      ...divergenceFindings(rowsOf(name), limits(name), referenceRows),
      ...paddingFindings(rowsOf(name), referenceRows),
    );
  }
  if (!others.some((name) => rowsOf(name).some((row) => row.kind === 'valid'))) {
    found.push({ code: 'nothing-compared', constant: [] });
  } else if (constant.length > 0) {
    found.push({ code: 'nothing-compared', constant: [...constant] });
  }
  const labels = [...implementations, ...(file ? [file.label] : [])];
  return found.toSorted((a, b) => SEVERITY[a.code] - SEVERITY[b.code] || position(a) - position(b));

  function position(finding: Finding): number {
    return 'implementation' in finding ? labels.indexOf(finding.implementation) : -1;
  }
}

/** Rows in their order by what they are of, so that each is looked at once however many batches there are. */
function groupedBy(rows: readonly Row[], key: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(key(row));
    if (group) group.push(row);
    else groups.set(key(row), [row]);
  }
  return groups;
}

/** Findings that say the same of several batches as one, of the first of them. */
function joined(found: readonly Finding[]): Finding[] {
  const first = new Map<string, Finding & { batches: number }>();
  for (const finding of found) {
    if (!('batches' in finding)) continue;
    const { batch: _batch, batches, ...same } = finding;
    const key = JSON.stringify({ ...same, nan: null, inf: null });
    const known = first.get(key);
    if (known) known.batches += batches;
    else first.set(key, { ...finding });
  }
  return [...first.values()];
}
