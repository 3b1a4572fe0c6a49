import { deviate, maskSpecOf } from '../attention/settings.js';
import {
  factorsOf,
  headOrders,
  isEnough,
  nextScales,
  nextWindows,
  type Change,
  type Trial,
} from '../metrics/index.js';
import type { Factor } from '../types.js';
import {
  atSite,
  changesOf,
  isSingle,
  variantsOf,
  type Computation,
  type Place,
} from './factors.js';
import type { Distance, LayerTrials } from './trials.js';

/** One change, alone or with another. */
interface Attempt {
  change: Change;
  besides: Change | null;
}

/** A change explains enough of the difference to be searched further where nothing explains all of it. */
const HOPEFUL = 0.3;
/** A scale that leaves this share of what rounding explains is not searched further. */
const WELL_WITHIN = 1 / 50;
/** Rounds in which a scale is searched that does not look hopeful yet: one nearer to 1 than the grid is not seen on it. */
const BLIND_ROUNDS = 2;

/**
 * The search for what was changed at one layer: tried changes, and which to try next. First every change that can be
 * named beforehand; then values between those tried, windows that the first diverging query suggests, and orders of
 * the heads that differ; at last, where no change is enough, the best together with each other.
 */
export class LayerSearch {
  readonly #place: Place;
  readonly #computation: Computation;
  readonly #limit: number;
  readonly #trials = new Map<string, Trial>();
  #pending: { attempt: Attempt; variants: Computation[] }[];
  #result: LayerTrials | null = null;
  #unchanged: Distance = { squaredDelta: NaN, squaredNorm: NaN };
  #rounds = 0;
  #hasPairs = false;

  /** @param hints changes that explained another layer */
  constructor(
    computation: Computation,
    place: Place,
    limit: number,
    hints: readonly Change[] = [],
  ) {
    this.#computation = atSite(computation, place.site);
    this.#place = place;
    this.#limit = limit;
    this.#pending = this.#built(
      [...changesOf(this.#computation, place), ...hints].map((change) => ({
        change,
        besides: null,
      })),
    );
  }

  get layer(): number {
    return this.#place.site.layer;
  }

  /** What is to be built next, the unchanged computation included; empty once there is nothing left to try. */
  get variants(): Computation[] {
    if (this.#pending.length === 0) return [];
    return [
      { ...this.#computation, label: UNCHANGED },
      ...this.#pending.flatMap(({ variants }) => variants),
    ];
  }

  /** Takes in what the variants gave, and decides on the next. */
  take(result: LayerTrials): void {
    this.#result = result;
    this.#unchanged = result.distances.get(UNCHANGED)!;
    for (const { attempt, variants } of this.#pending) {
      const distances = variants.map(({ label }) => result.distances.get(label)!);
      const nearest = distances.reduce((best, each) =>
        each.squaredDelta < best.squaredDelta ? each : best,
      );
      this.#trials.set(keyOf(attempt), { ...attempt, ...nearest });
    }
    this.#rounds++;
    this.#pending = this.#built(this.#next());
  }

  /**
   * What each change explains; none where the unchanged computation is not what parts from the subject: where it stands
   * in for another, and is no nearer to that than to the subject, or where rounding explains all that this pass saw.
   */
  factors(): Factor[] {
    if (!this.#result) return [];
    const { squaredReference } = this.#result;
    const { squaredDelta, squaredNorm } = this.#unchanged;
    if (squaredDelta <= squaredReference / 2 || squaredDelta <= this.#limit ** 2 * squaredNorm)
      return [];
    return factorsOf([...this.#trials.values()], squaredReference);
  }

  /** Whether one change explains the difference. */
  isExplained(): boolean {
    return this.factors().some((factor) => isEnough(factor, this.#limit));
  }

  /** The attempts that were not made yet, with the variants that each is made as. */
  #built(attempts: readonly Attempt[]): { attempt: Attempt; variants: Computation[] }[] {
    const { label, name, settings } = this.#computation;
    return this.#untried(attempts).map((attempt) => {
      const base = attempt.besides ? deviate(settings, attempt.besides) : settings;
      return {
        attempt,
        variants: variantsOf(
          { label: `${label} ${keyOf(attempt)}`, name, settings: deviate(base, attempt.change) },
          this.#place,
        ),
      };
    });
  }

  #untried(attempts: readonly Attempt[]): Attempt[] {
    const fresh = new Map(attempts.map((attempt) => [keyOf(attempt), attempt]));
    for (const key of this.#trials.keys()) fresh.delete(key);
    return [...fresh.values()];
  }

  #next(): Attempt[] {
    const factors = this.factors();
    if (factors.length === 0) return [];
    const isDone = this.isExplained();
    const searched = [
      ...this.#scales(factors, isDone),
      ...this.#windows(factors, isDone),
      ...(isDone ? [] : [...this.#firstWindows(), ...this.#headOrders()]),
    ];
    const alone = this.#untried(
      searched
        .filter((change) => isSingle(this.#computation.settings, change))
        .map((change) => ({ change, besides: null })),
    );
    if (alone.length > 0 || isDone || this.#hasPairs) return alone;
    this.#hasPairs = true;
    return this.#pairs(factors);
  }

  #isLeading(factors: readonly Factor[], kind: Change['kind'], isDone: boolean): boolean {
    if (isDone) return factors[0]!.deviation.kind === kind;
    return factors.some(
      ({ deviation, explained }) => deviation.kind === kind && explained > HOPEFUL,
    );
  }

  #scales(factors: readonly Factor[], isDone: boolean): Change[] {
    if (!this.#isLeading(factors, 'scale', isDone) && (isDone || this.#rounds > BLIND_ROUNDS))
      return [];
    const tried = this.#alone().flatMap(({ change, squaredDelta }) =>
      change.kind === 'scale' ? [{ value: change.factor, squared: squaredDelta }] : [],
    );
    return nextScales(
      [{ value: 1, squared: this.#unchanged.squaredDelta }, ...tried],
      (WELL_WITHIN * this.#limit) ** 2 * this.#unchanged.squaredNorm,
    ).map((factor) => ({ kind: 'scale', factor }));
  }

  #windows(factors: readonly Factor[], isDone: boolean): Change[] {
    if (!this.#isLeading(factors, 'window', isDone)) return [];
    const {
      batch: { length },
      site,
    } = this.#place;
    const own = maskSpecOf(site.maskSummary, this.#computation.settings).window;
    const tried = this.#alone().flatMap(({ change, squaredDelta }) =>
      change.kind === 'window' ? [{ value: change.to ?? length, squared: squaredDelta }] : [],
    );
    return nextWindows([
      { value: Math.min(own ?? length, length), squared: this.#unchanged.squaredDelta },
      ...tried,
    ]).map((to) => ({ kind: 'window', to }));
  }

  /** A window of w tokens first hides a key from the query at position w. */
  #firstWindows(): Change[] {
    const { batch } = this.#place;
    const { relative } = this.#result!;
    const positions = Array.from(batch.positionIds, Number).filter(
      (_, i) => batch.kinds[i] === 'valid' && !(relative[i]! <= this.#limit),
    );
    const first = positions.reduce((least, position) => Math.min(least, position), Infinity);
    return [first, first - 1, first + 1]
      .filter((to) => to >= 1 && to < batch.length)
      .map((to) => ({ kind: 'window', to }));
  }

  #headOrders(): Change[] {
    const { heads, kvHeads } = this.#place.sizes;
    const moved = this.#result!.heads.flatMap((distance, head) =>
      distance > this.#limit ? [head] : [],
    );
    return headOrders(moved, heads, kvHeads).map((order) => ({ kind: 'head-order', order }));
  }

  /** The best change together with each other that leaves it standing. */
  #pairs(factors: readonly Factor[]): Attempt[] {
    const [best, ...others] = factors.map(({ deviation }) => deviation as Change);
    const changed = deviate(this.#computation.settings, best!);
    return others
      .filter((change) => change.kind !== best!.kind && isSingle(changed, change))
      .map((change) => ({ change, besides: best! }));
  }

  #alone(): Trial[] {
    return [...this.#trials.values()].filter(({ besides }) => besides === null);
  }
}

const UNCHANGED = 'unchanged';

function keyOf({ change, besides }: Attempt): string {
  return JSON.stringify([change, besides]);
}
