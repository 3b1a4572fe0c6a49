export { assembleBatches } from './assemble.js';
export { PLAIN_MASK, allowedMask, rowHasKey } from './masks.js';
export { buildBatch } from './pad.js';
export { packIndices, unpadIndices, type PackedIndices } from './unpad.js';
export { maskProbeBatch, rebuildProbeBatch } from './probe.js';
