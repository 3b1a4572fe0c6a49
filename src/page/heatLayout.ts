import type { Cell, Grid } from './grid.js';

/** Where the cells of a heat map are, in pixels of its picture; rows of the batch are bands, one under the other. */
export interface Layout {
  /** Rows of the batch that are shown, from top to bottom. */
  rows: readonly number[];
  /** Pixels of the part with the cells. */
  width: number;
  height: number;
  /** Pixels that a layer is tall. */
  layer: number;
  /** Pixels from one band to the next. */
  pitch: number;
}

/** Room above each band, for its name and for where it has NaN. */
export const GAP = 22;
const TALLEST_LAYER = 18;
const SHORTEST_LAYER = 3;
const SHORTEST_BAND = 32;
/** What all bands together should not be taller than, unless they became too thin to be seen. */
const TALLEST = 620;

export function layoutOf(
  { layers }: Pick<Grid, 'layers'>,
  rows: readonly number[],
  width: number,
): Layout {
  const shortest = Math.max(
    SHORTEST_LAYER,
    Math.min(TALLEST_LAYER, Math.ceil(SHORTEST_BAND / layers.length)),
  );
  const layer = Math.max(
    shortest,
    Math.min(TALLEST_LAYER, Math.floor((TALLEST / rows.length - GAP) / layers.length)),
  );
  const pitch = GAP + layer * layers.length;
  return { rows, width, height: pitch * rows.length, layer, pitch };
}

/** The upper edge of the first layer of a band. */
export function bandTop({ pitch }: Layout, band: number): number {
  return band * pitch + GAP;
}

/** The cell at a place, the nearest where that is beside them; null without any. */
export function cellAt(
  { rows, width, layer, pitch }: Layout,
  { length, layers }: Pick<Grid, 'length' | 'layers'>,
  x: number,
  y: number,
): Cell | null {
  const band = Math.max(0, Math.min(rows.length - 1, Math.floor(y / pitch)));
  const row = rows[band];
  if (row === undefined) return null;
  const at = Math.floor((y - band * pitch - GAP) / layer);
  return {
    row,
    layer: clamp(at, layers.length),
    token: clamp(Math.floor((x / width) * length), length),
  };
}

/** The rectangle of a cell; of a narrow one, wide enough to be seen. Null where its row is not shown. */
export function rectangleOf(
  layout: Layout,
  { length }: Pick<Grid, 'length'>,
  { row, layer, token }: Cell,
): { x: number; y: number; width: number; height: number } | null {
  const band = layout.rows.indexOf(row);
  if (band < 0) return null;
  const each = layout.width / length;
  const width = Math.max(3, each);
  return {
    x: Math.min(layout.width - width, token * each - (width - each) / 2),
    y: bandTop(layout, band) + layer * layout.layer,
    width,
    height: layout.layer,
  };
}

/** Where an arrow key or another leads; null for a key that leads nowhere. */
export function moved(
  cell: Cell,
  key: string,
  { size, length, layers }: Pick<Grid, 'size' | 'length' | 'layers'>,
): Cell | null {
  const { row, layer, token } = cell;
  switch (key) {
    case 'ArrowLeft':
      return { ...cell, token: clamp(token - 1, length) };
    case 'ArrowRight':
      return { ...cell, token: clamp(token + 1, length) };
    case 'ArrowUp':
      return layer === 0 && row > 0
        ? { ...cell, row: row - 1, layer: layers.length - 1 }
        : { ...cell, layer: clamp(layer - 1, layers.length) };
    case 'ArrowDown':
      return layer === layers.length - 1 && row < size - 1
        ? { ...cell, row: row + 1, layer: 0 }
        : { ...cell, layer: clamp(layer + 1, layers.length) };
    case 'PageUp':
      return { ...cell, row: clamp(row - 1, size) };
    case 'PageDown':
      return { ...cell, row: clamp(row + 1, size) };
    case 'Home':
      return { ...cell, token: 0 };
    case 'End':
      return { ...cell, token: length - 1 };
    default:
      return null;
  }
}

function clamp(index: number, count: number): number {
  return Math.max(0, Math.min(count - 1, index));
}
