import { expect, test } from 'vitest';
import { worstPoints } from '../../src/page/worstPoints.js';
import { sampleRow } from '../report/sample.js';

const rows = [
  sampleRow({ batch: 'a', layer: 0, relL2: 1e-6 }),
  sampleRow({ batch: 'b', layer: 0, relL2: 3e-6 }),
  sampleRow({ batch: 'c', layer: 0, relL2: 2e-6 }),
  sampleRow({ batch: 'a', layer: 1, relL2: 1 }),
  sampleRow({ batch: 'b', layer: 1, relL2: NaN }),
  sampleRow({ batch: 'c', layer: 1, relL2: Infinity }),
  sampleRow({ batch: 'a', layer: null, tap: 'logits', relL2: 0 }),
];

test('of several batches the worst is drawn, NaN before all', () => {
  const points = worstPoints(rows, ({ relL2 }) => relL2);
  expect(points).toEqual([
    { series: 'sdpa', x: '0', value: 3e-6, note: 'layer 0, attention, batch b' },
    { series: 'sdpa', x: '1', value: NaN, note: 'layer 1, attention, batch b' },
    { series: 'sdpa', x: 'logits', value: 0, note: 'logits, batch a' },
  ]);
});
