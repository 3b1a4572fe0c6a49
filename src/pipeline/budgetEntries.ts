import { AttnDiffError } from '../errors.js';
import { idleEntries, type BudgetPlace, type UnmatchedEntry } from '../gate/index.js';
import type { Batch, Budget, Stream } from '../types.js';
import { TOKEN_KINDS } from '../types.js';

/** What a run is going to measure. */
interface Planned {
  /** All batches, also those that other parts of the run have. */
  batches: readonly Pick<Batch, 'name' | 'kinds'>[];
  /** Layers whose attention is compared. */
  layers: readonly number[];
  implementations: readonly Pick<Stream, 'label' | 'hidden'>[];
  reference: string;
}

/**
 * Sees to it that every entry of every budget's lists matches something, before a run takes its time: one that is
 * mistyped would otherwise leave its limit unchecked.
 *
 * @throws AttnDiffError config-file-invalid, bad-option, with the entry and what there is
 */
export function checkBudgetEntries(budgets: readonly Budget[], planned: Planned): void {
  if (!budgets.some(hasLists)) return;
  const places = plannedPlaces(planned);
  for (const budget of budgets) {
    const [idle] = idleEntries(budget, places, planned.reference);
    if (idle) throw refusal(budget, idle, planned, places);
  }
}

function hasLists({ taps, scopes, layers, implementations, batches, kinds }: Budget): boolean {
  return (
    [taps, scopes, layers, implementations, batches].some((list) => list !== null) ||
    kinds.join() !== 'valid'
  );
}

/** The places of all rows that the run will have. */
function plannedPlaces({ batches, layers, implementations }: Planned): BudgetPlace[] {
  const labels = implementations.filter(({ hidden }) => !hidden).map(({ label }) => label);
  return batches.flatMap(({ name: batch, kinds }) => {
    const own = new Set(kinds);
    return TOKEN_KINDS.filter((kind) => own.has(kind)).flatMap((kind) =>
      labels.flatMap((implementation) => {
        const common = { batch, kind, implementation };
        return [
          ...layers.flatMap((layer): BudgetPlace[] => [
            { ...common, layer, tap: 'attention', scope: 'local' },
            { ...common, layer, tap: 'attention', scope: 'accumulated' },
            { ...common, layer, tap: 'hidden', scope: 'accumulated' },
          ]),
          { ...common, layer: null, tap: 'logits', scope: 'accumulated' } as const,
        ];
      }),
    );
  });
}

function refusal(
  budget: Budget,
  idle: UnmatchedEntry,
  planned: Planned,
  places: readonly BudgetPlace[],
): AttnDiffError {
  const { source } = budget;
  const { key, entry } = idle;
  const there = thereIs(key, planned, places);
  const problem = idle.isUnknown
    ? `${key === 'layers' ? entry : JSON.stringify(entry)} matches no ${NOUN[key].one}`
    : `${JSON.stringify(entry)} matches nothing together with what else the budget names`;
  if (source.kind === 'config') {
    const place = source.key.replace(/[^.]*$/, key);
    return new AttnDiffError('config-file-invalid', {
      path: source.path,
      line: source.line,
      key: place,
      problem: `${problem}; ${NOUN[key].many} are ${there}; --unset budgets leaves all budgets out`,
    });
  }
  const option = source.kind === 'flag' ? source.flag.replace(/[^.]*$/, key) : key;
  return new AttnDiffError('bad-option', {
    option,
    value: entry,
    problem: `it ${problem.slice(problem.indexOf('matches'))}`,
    remedy: `one of ${there}`,
  });
}

const NOUN: Readonly<Record<UnmatchedEntry['key'], { one: string; many: string }>> = {
  implementation: { one: 'implementation of this run that it could measure', many: 'these' },
  batch: { one: 'batch', many: 'batches' },
  layers: { one: 'layer', many: 'layers' },
  tap: { one: 'tap', many: 'taps' },
  scope: { one: 'scope', many: 'scopes' },
  kind: { one: 'token', many: 'kinds of tokens' },
};

const MOST_NAMED = 20;

/** What there is of a kind, between commas. */
function thereIs(
  key: UnmatchedEntry['key'],
  { layers, reference }: Planned,
  places: readonly BudgetPlace[],
): string {
  if (key === 'layers')
    return layers.length === 1 ? String(layers[0]) : `${layers[0]} to ${layers.at(-1)}`;
  const values = new Set(places.map((place) => place[key]));
  if (key === 'implementation' && values.size > 1) values.delete(reference);
  const names = [...values];
  return names.length > MOST_NAMED
    ? `${names.slice(0, MOST_NAMED).join(', ')} and ${names.length - MOST_NAMED} more`
    : names.join(', ');
}
