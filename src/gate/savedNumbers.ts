import { ROUNDING } from '../metrics/index.js';
import type {
  Check,
  SavedEffect,
  SavedImplementation,
  SavedRow,
  SavedRun,
  Scope,
} from '../types.js';

/** What may regress, by the names of the budgets on the same numbers. */
export const REGRESSION_METRICS = [
  'rel-l2',
  'max-abs',
  'exact-rel-l2',
  'loss',
  'kl',
  'flips',
] as const;
export type RegressionMetric = (typeof REGRESSION_METRICS)[number];

export type NumberPlace = Pick<Check, 'layer' | 'implementation' | 'tap' | 'scope' | 'batch'>;

/** One number of a run that may regress. */
export interface SavedNumber extends NumberPlace {
  metric: RegressionMetric;
  value: number;
  /** Relative L2 of the tensor that it is of. */
  relL2: number;
  /** Relative L2 that rounding explains there. */
  rounding: number;
  /** Of a prediction: KL, nats, and how many targets; else null. */
  prediction: { kl: number; targets: number } | null;
}

/** KL that float64 leaves of two equal distributions, nats. */
const KL_ROUNDING = 1e-14;
/** Standard errors of a mean that chance explains. */
const SPREAD = 3;

/**
 * The numbers of a run that may regress, by a key that is the same in another run: of rows on valid tokens relative L2,
 * max |Δ| and relative L2 against exact, of the latter the reference's too; of predictions |Δ loss|, KL and the share
 * that flips, where a batch has any.
 */
export function savedNumbers(run: SavedRun): Map<string, SavedNumber> {
  const infos = new Map(run.implementations.map((info) => [info.name, info]));
  const losses = new Map(
    run.effects
      .filter(({ implementation }) => implementation === run.reference)
      .map(({ batch, loss }) => [batch, loss]),
  );
  const logits = new Map(
    run.rows
      .filter(({ tap }) => tap === 'logits')
      .map((row) => [`${row.implementation} ${row.batch}`, row.relL2]),
  );
  const all = [
    ...run.rows.flatMap((row) => rowNumbers(row, run, infos.get(row.implementation))),
    ...run.effects.flatMap((effect) =>
      effectNumbers(effect, {
        reference: run.reference,
        referenceLoss: losses.get(effect.batch) ?? NaN,
        relL2: logits.get(`${effect.implementation} ${effect.batch}`) ?? NaN,
        info: infos.get(effect.implementation),
      }),
    ),
  ];
  return new Map(all.map((number) => [keyOf(number), number]));
}

function keyOf({ metric, implementation, batch, scope, tap, layer }: SavedNumber): string {
  return JSON.stringify([metric, implementation, batch, scope, tap, layer]);
}

function rowNumbers(
  row: SavedRow,
  run: SavedRun,
  info: SavedImplementation | undefined,
): SavedNumber[] {
  const { batch, layer, tap, scope, implementation, maxAbs, relL2, exactRelL2 } = row;
  const place = { batch, layer, tap, scope, implementation, prediction: null };
  const exact: SavedNumber = {
    ...place,
    metric: 'exact-rel-l2',
    value: exactRelL2,
    relL2: exactRelL2,
    rounding: exactRounding(info, run, scope),
  };
  if (implementation === run.reference) return [exact];
  const rounding = info?.rounding[scope] ?? 0;
  return [
    { ...place, metric: 'rel-l2', value: relL2, relL2, rounding },
    { ...place, metric: 'max-abs', value: maxAbs, relL2, rounding },
    exact,
  ];
}

interface Outcome {
  reference: string;
  referenceLoss: number;
  relL2: number;
  info: SavedImplementation | undefined;
}

function effectNumbers(
  { batch, implementation, targets, loss, kl, flips }: SavedEffect,
  { reference, referenceLoss, relL2, info }: Outcome,
): SavedNumber[] {
  if (implementation === reference || targets === 0) return [];
  const place = {
    batch,
    implementation,
    layer: null,
    tap: 'logits',
    scope: 'accumulated',
    relL2,
    rounding: info?.rounding.accumulated ?? 0,
    prediction: { kl, targets },
  } as const;
  return [
    { ...place, metric: 'loss', value: Math.abs(loss - referenceLoss) },
    { ...place, metric: 'kl', value: kl },
    { ...place, metric: 'flips', value: flips / targets },
  ];
}

/** Against exact it is the implementation's own precision that counts, and in its stream that of the model, whatever the reference's. */
function exactRounding(
  info: SavedImplementation | undefined,
  { model }: SavedRun,
  scope: Scope,
): number {
  const between =
    scope === 'local'
      ? []
      : [ROUNDING[model.precision], ROUNDING[model.activations ?? model.precision]];
  return Math.max(info?.rounding[scope] ?? 0, ROUNDING[info?.precision ?? 'fp32'], ...between);
}

/**
 * The largest value that is no regression from an earlier one: so many times that, or what rounding explains where that
 * is more, of the two runs' roundings the lesser. Rounding explains
 * - a relative L2 up to that which it explains of the tensor (r);
 * - a max |Δ| up to the earlier one, scaled to a relative L2 of r; where that was 0, this one, so scaled;
 * - whatever becomes of predictions where the relative L2 of the logits is at most r; beyond, chance explains of |Δ loss|
 *   what a KL of this size makes of the mean, KL + 3 √(2 KL / targets), of flips one more, and float64 of KL 1e-14.
 *
 * @param was a finite number; NaN gives NaN
 * @param factor > 0
 */
export function largestAllowed(was: SavedNumber, is: SavedNumber, factor: number): number {
  return Math.max(factor * was.value, floorOf(was, is));
}

function floorOf(was: SavedNumber, is: SavedNumber): number {
  const rounding = Math.min(was.rounding, is.rounding);
  switch (is.metric) {
    case 'rel-l2':
    case 'exact-rel-l2':
      return rounding;
    case 'max-abs':
      return scaled(was, rounding) ?? scaled(is, rounding) ?? 0;
    default:
      if (Number.isFinite(is.value) && is.relL2 <= rounding) return is.value;
      return rounding === 0 ? 0 : chance(was, is);
  }
}

/** What a number would be at another relative L2 of its tensor; null where that cannot be told. */
function scaled({ value, relL2 }: SavedNumber, to: number): number | null {
  return relL2 > 0 && Number.isFinite(relL2) && Number.isFinite(value)
    ? value * (to / relL2)
    : null;
}

/** What chance makes of a number about predictions. */
function chance(was: SavedNumber, { metric, prediction }: SavedNumber): number {
  if (prediction === null) return 0;
  const { kl, targets } = prediction;
  if (metric === 'flips') return was.value + 1 / targets;
  if (metric === 'kl') return KL_ROUNDING;
  const size = Number.isFinite(kl) ? Math.max(kl, 0) : 0;
  return size + SPREAD * Math.sqrt((2 * size) / targets);
}
