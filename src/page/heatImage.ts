import { color } from 'd3';
import { INFINITE, NAN, numberOf, ZERO, type Strip } from './grid.js';
import type { Palette } from './palette.js';

type Rgb = readonly [number, number, number];

/** What of an image of one kind is drawn over what is measured there. */
type Shade = 'none' | 'padding' | 'fullyMasked';

const SHADES: Readonly<Record<string, Shade>> = { v: 'none', p: 'padding', m: 'fullyMasked' };
/** How much of a number's colour is left on padding. */
const DIMMED = 0.35;
/** How much of the ink is in a line of the hatching, and of its colour in what is not finite on padding. */
const LINE = 0.6;
/** Pixels between two lines of the hatching of padding, and of what is not finite. */
const HATCH = 6;
const SPACING = 7;

/** The colours of a heat map: of bytes that stand for numbers by where they are between the least and the largest. */
export class Painter {
  readonly #numbers: Rgb[];
  readonly #paper: Rgb;
  readonly #ink: Rgb;
  readonly #nan: Rgb;
  readonly #inf: Rgb;

  constructor(palette: Palette, [least, most]: readonly [number, number]) {
    this.#numbers = Array.from({ length: INFINITE }, (_, byte) =>
      rgb(
        palette.number(
          most > least ? Math.min(1, Math.max(0, (byte - least) / (most - least))) : 0.5,
        ),
      ),
    );
    this.#paper = rgb(palette.paper);
    this.#ink = rgb(palette.ink);
    this.#nan = rgb(palette.nan);
    this.#inf = rgb(palette.inf);
  }

  /**
   * The colour of one pixel. NaN has crosswise lines and an infinite number level ones, so that grey shows them too;
   * padding is dimmed and hatched one way, fully masked rows both ways.
   */
  pixel(byte: number, kind: string, x: number, y: number): Rgb {
    const shade = SHADES[kind] ?? 'none';
    const colour = this.#colour(byte, x, y);
    if (shade === 'none') return colour;
    if (byte === NAN || byte === INFINITE) return mixed(colour, this.#paper, LINE);
    const isLine =
      (x + y) % HATCH === 0 || (shade === 'fullyMasked' && (x - y + HATCH * 1000) % HATCH === 0);
    return isLine ? mixed(this.#ink, this.#paper, LINE) : mixed(colour, this.#paper, DIMMED);
  }

  #colour(byte: number, x: number, y: number): Rgb {
    if (byte === NAN) return this.#lined(x + y, this.#nan);
    if (byte === INFINITE) return this.#lined(y, this.#inf);
    return byte === ZERO ? this.#paper : this.#numbers[byte]!;
  }

  /** A colour with lines of ink and of paper in turn, of which one is seen whatever is around it. */
  #lined(at: number, colour: Rgb): Rgb {
    const line = at % SPACING;
    return line === 0 ? this.#ink : line === Math.floor(SPACING / 2) ? this.#paper : colour;
  }

  /** A small sample of what a byte looks like on tokens of a kind. */
  sample(byte: number, kind: string): string {
    return canvasUrl(22, 14, (pixels) => {
      for (let y = 0; y < 14; y++)
        for (let x = 0; x < 22; x++) pixels.set(x, y, this.pixel(byte, kind, x, y));
    });
  }

  /**
   * Bands of layers, one under the other, a pixel wide for each strip.
   *
   * @param bands the strips of each band, and its upper edge
   * @param layer pixels that a layer is tall
   */
  bands(
    width: number,
    height: number,
    bands: readonly { strips: readonly Strip[]; top: number }[],
    layer: number,
  ): string {
    return canvasUrl(width, height, (pixels) => {
      for (const { strips, top } of bands) {
        for (const [x, { bytes, kind }] of strips.entries()) {
          for (const [i, byte] of bytes.entries()) {
            for (let y = top + i * layer; y < top + (i + 1) * layer; y++)
              pixels.set(x, y, this.pixel(byte, kind, x, y));
          }
        }
      }
    });
  }
}

/** A number between two bytes, as the legend of the colours needs it. */
export function bounds([least, most]: readonly [number, number]): [number, number] {
  return [numberOf(least), numberOf(most)];
}

function rgb(text: string): Rgb {
  const { r, g, b } = color(text)!.rgb();
  return [r, g, b];
}

function mixed(a: Rgb, b: Rgb, share: number): Rgb {
  return [
    a[0] * share + b[0] * (1 - share),
    a[1] * share + b[1] * (1 - share),
    a[2] * share + b[2] * (1 - share),
  ];
}

interface Pixels {
  set(x: number, y: number, colour: Rgb): void;
}

/** An image whose pixels `paint` sets; those that it does not set let the paper through. */
function canvasUrl(width: number, height: number, paint: (pixels: Pixels) => void): string {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(width, height);
  const { data } = image;
  paint({
    set: (x, y, [r, g, b]) => {
      const at = (y * width + x) * 4;
      data[at] = r;
      data[at + 1] = g;
      data[at + 2] = b;
      data[at + 3] = 255;
    },
  });
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}
