import type { Aspect } from '../aspect.js';

const PARTS = ['query', 'key', 'value'] as const;

/** Whether the projections of query, key and value add a bias, zeros included. */
export const bias: Aspect = {
  name: 'bias',
  read: (layer, config) =>
    PARTS.flatMap((part) => {
      if (!layer[part]) return [];
      return [
        {
          part,
          found: layer.bias[part] === 'none' ? 'none' : 'present',
          expected: config.bias === null ? null : config.bias ? 'present' : 'none',
        },
      ];
    }),
};

/** Whether a bias is all zeros, where those of other layers are not. */
export const biasValue: Aspect = {
  name: 'bias-value',
  read: (layer) =>
    PARTS.flatMap((part) => {
      const found = layer.bias[part];
      return layer[part] && found !== 'none'
        ? [{ part, found, expected: null, usual: 'non-zero' }]
        : [];
    }),
};
