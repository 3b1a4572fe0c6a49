import { describe, expect, test } from 'vitest';
import { labelPlaces } from '../../src/page/ruleLabels.js';

const FRAME = { left: 50, right: 450, top: 20, bottom: 260 };
const RULE = { y: 100, text: 'rounding explains 1e-5' };
const level = (y: number, from = 50, to = 450): { x: number; y: number }[] => [
  { x: from, y },
  { x: to, y },
];

describe('the text of a level line', () => {
  test('stands above it at the right where nothing is there', () => {
    expect(labelPlaces([RULE], [level(200)], FRAME)).toEqual([{ end: 'right', side: 'above' }]);
  });

  test('goes to the left where a line ends at the right', () => {
    expect(
      labelPlaces(
        [RULE],
        [
          [
            { x: 60, y: 250 },
            { x: 440, y: 92 },
          ],
        ],
        FRAME,
      ),
    ).toEqual([{ end: 'left', side: 'above' }]);
  });

  test('goes below where lines run above it', () => {
    expect(labelPlaces([RULE], [level(90)], FRAME)).toEqual([{ end: 'right', side: 'below' }]);
    expect(labelPlaces([RULE], [level(90), level(110, 300)], FRAME)).toEqual([
      { end: 'left', side: 'below' },
    ]);
  });

  test('minds a line between two points that are far apart', () => {
    expect(
      labelPlaces(
        [RULE],
        [
          [
            { x: 250, y: -100 },
            { x: 450, y: 270 },
          ],
        ],
        FRAME,
      ),
    ).toEqual([{ end: 'left', side: 'above' }]);
  });

  test('stays in the frame', () => {
    expect(labelPlaces([{ ...RULE, y: 258 }], [level(250)], FRAME)).toEqual([
      { end: 'right', side: 'above' },
    ]);
  });

  test('covers no other', () => {
    const [first, second] = labelPlaces([RULE, { ...RULE, y: 104 }], [], FRAME);
    expect([first, second]).toEqual([
      { end: 'right', side: 'above' },
      { end: 'right', side: 'below' },
    ]);
  });
});
