export { DEFAULT_LIMITS, DEFAULT_RATIO } from './defaults.js';
export { judge } from './judge.js';
