import { interpolateCividis } from 'd3';
import type { Theme } from './theme.js';

/** What is no number has colours that no number has, and a pattern besides: see heatImage.ts. */
export interface Palette {
  paper: string;
  ink: string;
  nan: string;
  inf: string;
  /** A share from 0, next to nothing, to 1, the most. Cividis, which grows darker or lighter evenly in every kind of sight, and in grey. */
  number(share: number): string;
}

/** The least is near the colour of the paper, the most is far from it. */
export const PALETTES: Readonly<Record<Theme, Palette>> = {
  light: {
    paper: '#ffffff',
    ink: '#1b1f24',
    nan: '#d6006c',
    inf: '#e85d00',
    number: (share) => interpolateCividis(1 - share),
  },
  dark: {
    paper: '#14181d',
    ink: '#e8ebee',
    nan: '#ff4fa8',
    inf: '#ff8a3d',
    number: interpolateCividis,
  },
};
