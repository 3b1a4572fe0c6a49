import { supportsColor } from 'chalk';
import type { RenderOptions } from '../report/index.js';

/** Columns of a report that does not go to a terminal. */
const PIPE_WIDTH = 120;

/** How to draw for standard output: as wide as the terminal, coloured where it takes colour (NO_COLOR, pipes). */
export function renderOptions(toFile: boolean): RenderOptions {
  if (toFile) return { width: PIPE_WIDTH, color: false };
  return { width: process.stdout.columns ?? PIPE_WIDTH, color: Boolean(supportsColor) };
}
