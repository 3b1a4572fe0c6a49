import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cellAt, layoutOf, moved, rectangleOf } from '../../src/page/heatLayout.js';

const sizes = fc.record({
  size: fc.integer({ min: 1, max: 8 }),
  length: fc.integer({ min: 1, max: 900 }),
  layers: fc.integer({ min: 1, max: 40 }),
  width: fc.integer({ min: 200, max: 1200 }),
  at: fc.tuple(
    fc.double({ min: 0, max: 0.999, noNaN: true }),
    fc.double({ min: 0, max: 0.999, noNaN: true }),
    fc.double({ min: 0, max: 0.999, noNaN: true }),
  ),
});

test('the middle of a cell is in that cell', () => {
  fc.assert(
    fc.property(sizes, ({ size, length, layers, width, at: [a, b, c] }) => {
      const grid = { size, length, layers: Array.from({ length: layers }, (_, layer) => layer) };
      const layout = layoutOf(
        grid,
        Array.from({ length: size }, (_, row) => row),
        width,
      );
      const cell = {
        row: Math.floor(a * size),
        layer: Math.floor(b * layers),
        token: Math.floor(c * length),
      };
      const { x, y, width: wide, height } = rectangleOf(layout, grid, cell)!;
      expect(x).toBeGreaterThanOrEqual(-2);
      expect(x + wide).toBeLessThanOrEqual(width + 1e-6);
      expect(y + height).toBeLessThanOrEqual(layout.height);
      const middle = ((cell.token + 0.5) * width) / length;
      expect(cellAt(layout, grid, middle, y + height / 2)).toEqual(cell);
    }),
  );
});

test('beside the cells the nearest is told, and none where there is no row', () => {
  const grid = { size: 2, length: 10, layers: [0, 1, null] };
  const layout = layoutOf(grid, [1], 100);
  expect(cellAt(layout, grid, -50, -50)).toEqual({ row: 1, layer: 0, token: 0 });
  expect(cellAt(layout, grid, 500, 5000)).toEqual({ row: 1, layer: 2, token: 9 });
  expect(rectangleOf(layout, grid, { row: 0, layer: 0, token: 0 })).toBeNull();
  expect(cellAt({ ...layout, rows: [] }, grid, 1, 1)).toBeNull();
});

test('keys lead from cell to cell, over rows of the batch, and not beyond the ends', () => {
  const grid = { size: 2, length: 10, layers: [0, 1, null] };
  const from = { row: 0, layer: 2, token: 0 };
  expect(moved(from, 'ArrowLeft', grid)).toEqual(from);
  expect(moved(from, 'ArrowDown', grid)).toEqual({ row: 1, layer: 0, token: 0 });
  expect(moved({ row: 1, layer: 0, token: 3 }, 'ArrowUp', grid)).toEqual({
    row: 0,
    layer: 2,
    token: 3,
  });
  expect(moved({ row: 1, layer: 2, token: 3 }, 'ArrowDown', grid)).toEqual({
    row: 1,
    layer: 2,
    token: 3,
  });
  expect(moved(from, 'End', grid)).toEqual({ row: 0, layer: 2, token: 9 });
  expect(moved(from, 'PageDown', grid)).toEqual({ row: 1, layer: 2, token: 0 });
  expect(moved(from, 'Tab', grid)).toBeNull();
});
