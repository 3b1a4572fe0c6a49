export { heldAgainst, savedRun, unfit, type Unfit } from './baseline.js';
export { idleEntries } from './budgets.js';
export type { BudgetPlace, UnmatchedEntry } from './budgetMatch.js';
export { compareRuns, sameNumbers } from './compareRuns.js';
export { DEFAULT_LIMITS, DEFAULT_RATIO } from './defaults.js';
export { judge } from './judge.js';
export { keyDifferences, requireSameKey } from './runKey.js';
export { regressionChecks } from './regression.js';
export { weakenedBudgets } from './weakened.js';
