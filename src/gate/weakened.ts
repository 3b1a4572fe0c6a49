import { LEVELS, type Budget, type Weakening } from '../types.js';
import { defaultBudgets, type Against } from './defaults.js';

/**
 * The budgets of a configuration file that replace a limit which attn-diff brings by a wider one, or let it count for
 * less. Of several limits that one replaces, the narrowest is named.
 */
export function weakenedBudgets(budgets: readonly Budget[], against: Against): Weakening[] {
  const brought = defaultBudgets(against, 'error');
  return budgets.flatMap((budget): Weakening[] => {
    const { source, metric, limit, level } = budget;
    if (source.kind !== 'config') return [];
    const [narrowest] = brought
      .filter((usual) => replaces(budget, usual) && isWeaker(budget, usual))
      .toSorted((a, b) => a.limit - b.limit);
    return narrowest
      ? [
          {
            kind: 'budget',
            key: source.key,
            metric,
            limit: level === 'off' ? null : limit,
            level,
            usualLimit: narrowest.limit,
            usualLevel: narrowest.level,
          },
        ]
      : [];
  });
}

function replaces({ metric, implementations, scopes, kinds }: Budget, usual: Budget): boolean {
  const meets = <T>(one: readonly T[] | null, other: readonly T[] | null): boolean =>
    one === null || other === null || one.some((item) => other.includes(item));
  return (
    metric === usual.metric &&
    meets(implementations, usual.implementations) &&
    meets(scopes, usual.scopes) &&
    meets(kinds, usual.kinds)
  );
}

/** Every limit that attn-diff brings is one that numbers must not exceed. */
function isWeaker({ limit, level }: Budget, usual: Budget): boolean {
  return LEVELS.indexOf(level) < LEVELS.indexOf(usual.level) || limit > usual.limit;
}
