export { assembleBatches, type FileRows } from './assemble.js';
export { fullBatch } from './full.js';
export { PLAIN_MASK, allowedMask, rowHasKey } from './masks.js';
export { buildBatch } from './pad.js';
export { packIndices, unpadIndices, type PackedIndices } from './unpad.js';
export { mulberry32 } from './random.js';
export { maskProbeBatch, rebuildProbeBatch } from './probe.js';
export { beyondPositions } from './sequences.js';
