import { expect, test } from 'vitest';
import { listText } from '../../src/report/listText.js';

test.each([
  [[], ''],
  [['flash'], 'flash'],
  [['sdpa', 'flash'], 'sdpa and flash'],
  [['eager:scores=fp32', 'sdpa', 'flash'], 'eager:scores=fp32, sdpa and flash'],
])('%j is %j in a sentence', (items, text) => {
  expect(listText(items)).toBe(text);
});
