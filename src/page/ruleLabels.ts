/** A place on a chart, in pixels. */
export interface Pixel {
  x: number;
  y: number;
}

/** The part of a chart that lines are drawn in, in pixels. */
export interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** At which end of a level line its text stands, and on which side of it. */
export interface LabelPlace {
  end: 'left' | 'right';
  side: 'above' | 'below';
}

/** Pixels that a character takes, and a line of text with its distance. */
const CHARACTER = 6.6;
const LINE = 17;
/** Pixels between two places at which a line is looked at. */
const STEP = 3;
const PLACES: readonly LabelPlace[] = [
  { end: 'right', side: 'above' },
  { end: 'left', side: 'above' },
  { end: 'right', side: 'below' },
  { end: 'left', side: 'below' },
];
/** What is worse than to stand on any part of any line. */
const FORBIDDEN = 1e6;

/**
 * For each level line the place of its text that hides the least of the chart: the first of equals, in the order above
 * at the right, above at the left, below at the right, below at the left. None leaves the frame or covers another.
 *
 * @param rules where a level line is, in pixels from the top, and its text
 * @param lines the points of each line, in order; one of a single point is that point
 */
export function labelPlaces(
  rules: readonly { y: number; text: string }[],
  lines: readonly (readonly Pixel[])[],
  frame: Frame,
): LabelPlace[] {
  const drawn = lines.flatMap(along);
  const taken: Frame[] = [];
  return rules.map(({ y, text }) => {
    const boxes = PLACES.map((place) => ({ place, box: boxOf(place, y, text, frame) }));
    const cost = (box: Frame): number => {
      const isOutside = box.top < frame.top - LINE || box.bottom > frame.bottom;
      const others = rules.filter(
        (other) => other.y !== y && other.y > box.top && other.y < box.bottom,
      ).length;
      return (
        drawn.filter((at) => isIn(at, box)).length +
        others * ((box.right - box.left) / STEP) +
        (isOutside ? FORBIDDEN : 0) +
        taken.filter((each) => overlaps(each, box)).length * FORBIDDEN
      );
    };
    const best = boxes.reduce((least, each) => (cost(each.box) < cost(least.box) ? each : least));
    taken.push(best.box);
    return best.place;
  });
}

function boxOf({ end, side }: LabelPlace, y: number, text: string, { left, right }: Frame): Frame {
  const width = text.length * CHARACTER;
  const vertical =
    side === 'above' ? { top: y - LINE, bottom: y - 1 } : { top: y + 1, bottom: y + LINE };
  return end === 'right'
    ? { ...vertical, left: right - width, right }
    : { ...vertical, left, right: left + width };
}

/** A line as points so near to each other that none of it is missed. */
function along(points: readonly Pixel[]): Pixel[] {
  return points.flatMap((from, i) => {
    const to = points[i + 1] ?? from;
    const count = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / STEP));
    return Array.from({ length: count }, (_, k) => ({
      x: from.x + ((to.x - from.x) * k) / count,
      y: from.y + ((to.y - from.y) * k) / count,
    }));
  });
}

function isIn({ x, y }: Pixel, box: Frame): boolean {
  return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
}

function overlaps(a: Frame, b: Frame): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
