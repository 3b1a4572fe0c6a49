/** Makes what a chart consists of, for a place so many pixels wide. */
export type Draw = (width: number) => Node[];

const NARROWEST = 240;

/** A chart that is drawn when it is first seen, and again when its place, the theme or a choice changes. */
export class Drawing {
  readonly #place: HTMLElement;
  readonly #draw: Draw;
  #width = 0;
  isDrawn = false;

  constructor(place: HTMLElement, draw: Draw) {
    this.#place = place;
    this.#draw = draw;
  }

  /** Draws it, also where it is there already. */
  draw(): void {
    this.#width = this.#place.clientWidth;
    this.isDrawn = true;
    this.#place.classList.add('drawn');
    this.#place.replaceChildren(...this.#draw(Math.max(NARROWEST, this.#width)));
  }

  /** A place that is hidden for a while keeps its chart. */
  resized(): void {
    const { clientWidth } = this.#place;
    if (this.isDrawn && clientWidth > 0 && clientWidth !== this.#width) this.draw();
  }
}

const all: Drawing[] = [];

/** Draws a chart as soon as its place comes near the part of the page that is seen. */
export function drawWhenSeen(place: HTMLElement, draw: Draw): Drawing {
  const drawing = new Drawing(place, draw);
  all.push(drawing);
  const seen = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      seen.disconnect();
      if (!drawing.isDrawn) drawing.draw();
      new ResizeObserver(() => drawing.resized()).observe(place);
    },
    { rootMargin: '200px' },
  );
  seen.observe(place);
  return drawing;
}

/** Draws again what has been drawn, in the colours of the theme; with `everything` what has not been seen too. */
export function redraw(everything = false): void {
  for (const drawing of all) if (everything || drawing.isDrawn) drawing.draw();
}
