export { assembleBatches } from './assemble.js';
export { allowedMask, rowHasKey } from './masks.js';
export { buildBatch } from './pad.js';
export { unpadIndices } from './unpad.js';
export { maskProbeBatch, rebuildProbeBatch } from './probe.js';
