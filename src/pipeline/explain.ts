import { maskSpecOf } from '../attention/settings.js';
import {
  causeFinding,
  divergingLayers,
  isEnough,
  isReferenceAtFault,
  localRows,
  type Change,
} from '../metrics/index.js';
import type { CauseAnswer, Explanation, Finding, LocalDivergence, Row, Stream } from '../types.js';
import { changeable, cured, type Computation, type Place } from './factors.js';
import { LayerSearch } from './layerSearch.js';
import { kernelFault } from './kernelFault.js';
import type { SecondLook } from './secondLook.js';
import { twinOf, type SecondPass } from './secondPass.js';
import { runTrials, type Pair } from './trials.js';

export interface ExplainOptions {
  /** Every layer that parts in the finding's batch, or the first alone. */
  allLayers: boolean;
}

/** Graphs that the search at one layer may take. */
const MOST_ROUNDS = 8;
/** Layers that are searched one by one; those between are tried with what explained these. */
const MOST_SEARCHED = 3;

/**
 * Has every local divergence explained.
 *
 * @returns the explanations, and the findings with each local divergence whose cause is known replaced by that
 */
export async function explainDivergences(
  { findings, rows }: { findings: readonly Finding[]; rows: readonly Row[] },
  look: Pick<SecondLook, 'cause'>,
): Promise<{ explanations: Explanation[]; findings: Finding[] }> {
  const explanations: Explanation[] = [];
  const named: Finding[] = [];
  for (const finding of findings) {
    if (finding.code !== 'local-divergence') {
      named.push(finding);
      continue;
    }
    const answer = await look.cause(finding, rows);
    explanations.push(...answer.explanations);
    named.push(answer.finding);
  }
  return { explanations, findings: named };
}

/**
 * Finds out why an implementation parts from the reference on the same Q, K, V by more than rounding: the reference is
 * rebuilt with one factor changed at a time, and what makes the difference vanish is its cause.
 *
 * Before that, an implementation on another provider or kernel than the CPU's usual one is held against its twin there.
 *
 * @param rows those of the finding's batch, at least
 * @throws AttnDiffError execution-failed, runner-crashed
 */
export async function causeOf(
  finding: LocalDivergence,
  rows: readonly Row[],
  context: SecondPass,
  { allLayers }: ExplainOptions,
): Promise<CauseAnswer> {
  const fault = await kernelFault(finding, rows, context);
  if (fault) return { finding: fault, explanations: [] };
  const roles = rolesOf(finding, rows, context);
  const layers = divergingLayers(rows, finding);
  const found = await explainLayers(
    context,
    roles,
    finding,
    allLayers
      ? [finding.layer, ...layers.filter((layer) => layer !== finding.layer)]
      : [finding.layer],
  );
  const explanations = found.map(({ layer, factors }): Explanation => ({
    implementation: finding.implementation,
    reference: context.config.reference,
    layer,
    batch: finding.batch,
    relL2:
      localRows(rows, finding.implementation, finding.batch).find((row) => row.layer === layer)
        ?.relL2 ?? NaN,
    changed: roles.changed.label,
    standIn: roles.computation.label === roles.changed.label ? null : roles.computation.label,
    factors,
  }));
  return {
    finding: causeFinding(finding, explanations[0]!, layers, roles.faultOf) ?? finding,
    explanations,
  };
}

interface Roles {
  pair: Pair;
  /** Whose attention the changes are made to. */
  changed: Stream;
  /** What is rebuilt: that, or what stands in for it. */
  computation: Computation;
  /** What the reference does otherwise, given the factor; null where it is not at fault. */
  faultOf: ((change: Change) => Change) | null;
}

/** A reference at fault that has no settings to cure is held fast, and the implementation changed until it is as wrong. */
function rolesOf(
  finding: LocalDivergence,
  rows: readonly Row[],
  { config, batches, sites }: SecondPass,
): Roles {
  // A cause that is no kernel's own is the twin's too, and there it can be looked for in one graph.
  const streamOf = (label: string): Stream =>
    twinOf(config.implementations.find((stream) => stream.label === label)!);
  const [implementation, reference] = [
    streamOf(finding.implementation),
    streamOf(config.reference),
  ];
  const batch = batches.find(({ name }) => name === finding.batch)!;
  const isAtFault = isReferenceAtFault(rows, { ...finding, reference: reference.label });
  const isTurned = isAtFault && reference.name !== 'eager';
  const [changed, subject] = isTurned ? [implementation, reference] : [reference, implementation];
  const computation = changeable(changed, batch);
  const site = sites.find(({ layer }) => layer === finding.layer)!;
  const cure = (change: Change): Change =>
    cured(computation, maskSpecOf(site.maskSummary, computation.settings).window, change);
  return {
    pair: { batch, implementation, reference, subject: subject.label },
    changed,
    computation,
    faultOf: isAtFault ? (isTurned ? (change) => change : cure) : null,
  };
}

async function explainLayers(
  context: SecondPass,
  roles: Roles,
  { limit }: LocalDivergence,
  layers: readonly number[],
): Promise<Pick<Explanation, 'layer' | 'factors'>[]> {
  const found = new Map<number, LayerSearch>();
  let hints: Change[] = [];
  let open = [...layers];
  for (let searched = 0; searched < MOST_SEARCHED && open.length > 0; searched++) {
    const [first, ...rest] = open as [number, ...number[]];
    const search = searchOf(context, roles, first, limit, hints);
    for (let round = 0; round < MOST_ROUNDS && search.variants.length > 0; round++)
      await advance(context, roles.pair, [search]);
    found.set(first, search);
    const best = search.factors().find((factor) => isEnough(factor, limit));
    if (best) hints = [...hints, best.deviation as Change];
    const others = rest.map((layer) => searchOf(context, roles, layer, limit, hints));
    await advance(context, roles.pair, others);
    for (const other of others) found.set(other.layer, other);
    open = others.filter((other) => !other.isExplained()).map(({ layer }) => layer);
  }
  return layers.map((layer) => ({ layer, factors: found.get(layer)!.factors() }));
}

function searchOf(
  { sites, loaded }: SecondPass,
  { pair: { batch }, computation }: Roles,
  layer: number,
  limit: number,
  hints: readonly Change[],
): LayerSearch {
  const place: Place = {
    site: sites.find((site) => site.layer === layer)!,
    batch,
    sizes: loaded.sizes,
    config: loaded.source.config,
  };
  return new LayerSearch(computation, place, limit, hints);
}

/** Runs the next variants of several layers in one graph. */
async function advance(
  context: SecondPass,
  pair: Pair,
  searches: readonly LayerSearch[],
): Promise<void> {
  if (searches.length === 0) return;
  const variants = new Map(
    searches.flatMap((search) => search.variants).map((variant) => [variant.label, variant]),
  );
  const results = await runTrials(
    context,
    pair,
    searches.map(({ layer }) => layer),
    [...variants.values()],
  );
  for (const [i, search] of searches.entries()) search.take(results[i]!);
}
