export { aggregate } from './aggregate.js';
export { ROUNDING, type RoundingLimits } from './divergence.js';
export { findings } from './findings.js';
export { comparePlaces, compareRows } from './order.js';
export { kernelRows } from './padding.js';
export { DIVERGENCE } from './token.js';
