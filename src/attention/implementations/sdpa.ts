import type { Implementation } from './types.js';

/**
 * Scaled dot-product attention as the ONNX `Attention` operator (opset 23) with a boolean mask, as Hugging Face's
 * `sdpa` calls torch's. Grouped heads are the operator's own. A fully masked row is zero.
 */
export const sdpa: Implementation = {
  name: 'sdpa',
  precision: 'fp32',
  opsets: [{ domain: '', version: 23 }],
  outputType: 'float32',
  computeOps: ['Attention'],
  build(builder, { query, key, value, scale, softcap, window, masks }) {
    return builder.op('Attention', [query, key, value, masks.allowed(window)], { scale, ...(softcap === null ? {} : { softcap }) });
  },
};
