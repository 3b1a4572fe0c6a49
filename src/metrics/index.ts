export { contradiction } from './contradiction.js';
export { aggregate, type MeasuredRow } from './aggregate.js';
export {
  causeFinding,
  divergingLayers,
  ENOUGH,
  factorsOf,
  isEnough,
  isReferenceAtFault,
  localRows,
  type CauseFinding,
  type Change,
  type Trial,
} from './causes.js';
export { kernelFindings } from './kernels.js';
export { recommend } from './recommend.js';
export { headOrders, nextScales, nextWindows, SCALE_GRID } from './search.js';
export { spread } from './spread.js';
export { configuredWindow, windowFindings } from './windows.js';
export { withRatios, type Baselines } from './ratios.js';
export { ROUNDING, type RoundingLimits } from './divergence.js';
export { ALL_BATCHES, effectRows, hasTarget, overallEffects } from './effects.js';
export { findings } from './findings.js';
export { FINDING_CODES, findingLevel, type FindingLevel } from '../findingCodes.js';
export { tokenMap, worstMaps } from './tokenMap.js';
export { nonFiniteRows } from './nonFinite.js';
export { comparePlaces, compareRows } from './order.js';
export { kernelRows } from './padding.js';
export { DIVERGENCE } from './token.js';
export { overBatches, rangeRows, type RangeSums } from './ranges.js';
