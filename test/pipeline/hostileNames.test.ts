import { expect, it } from 'vitest';
import { HOSTILE_NAMES } from '../support/hostileNames.js';
import { operated, runOn } from '../support/surgery.js';

it('names of nodes that would break the profile of ONNX Runtime, or pass for those of attn-diff, do neither', async () => {
  const folder = operated({
    model: ({ graph }) => {
      graph!.node.forEach(
        (node, i) => (node.name = `${HOSTILE_NAMES[i % HOSTILE_NAMES.length]}${i}`),
      );
    },
  });
  const report = await runOn(folder, { impl: 'eager,sdpa,original', random: '1x4' });
  expect(report.verdict.passed).toBe(true);
  expect(report.implementations.map(({ name, proof }) => [name, proof])).toEqual([
    ['eager', 'confirmed'],
    ['sdpa', 'confirmed'],
    ['original', 'confirmed'],
  ]);
});
