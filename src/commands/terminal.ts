import { supportsColor } from 'chalk';
import { pageAssets } from '../pageAssets.js';
import type { RenderOptions } from '../report/index.js';

/** Columns of a report that does not go to a terminal. */
const PIPE_WIDTH = 120;

/**
 * How to draw for standard output: as wide as COLUMNS or the terminal says, coloured where it takes colour.
 * NO_COLOR, if not empty, wins over all else (no-color.org).
 */
export function renderOptions(toFile: boolean): RenderOptions {
  if (toFile) return { width: PIPE_WIDTH, color: false, page: pageAssets };
  const columns = Number(process.env['COLUMNS']);
  // A terminal that does not know its size says 0.
  const width =
    Number.isSafeInteger(columns) && columns > 0 ? columns : process.stdout.columns || PIPE_WIDTH;
  return { width, color: !process.env['NO_COLOR'] && Boolean(supportsColor), page: pageAssets };
}
