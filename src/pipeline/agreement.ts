/** How far two lists of numbers agree, element by element. */
export interface Agreement {
  /** ‖x − ref‖₂/‖ref‖₂ over the elements that are finite in both; 0/0 is 0, x/0 is Infinity. */
  relL2: number;
  /** The first element at which one is NaN or infinite and the other is not the same; null where there is none. */
  clash: { x: number; reference: number } | null;
  /** Elements that are NaN in both, or the same infinity: the same result, and nothing that relL2 is made of. */
  nonFinite: number;
  /** Whether every element has the same value: NaN is NaN, and zeros have signs. */
  identical: boolean;
}

/**
 * Compares numbers position by position: NaN in the same place is the same result, and elsewhere another one.
 *
 * @param isMeant which elements count; all, unless told otherwise
 */
export function agreement(
  x: ArrayLike<number>,
  reference: ArrayLike<number>,
  isMeant: (index: number) => boolean = () => true,
): Agreement {
  if (x.length !== reference.length)
    return { relL2: Infinity, clash: null, nonFinite: 0, identical: false };
  let delta = 0;
  let norm = 0;
  let nonFinite = 0;
  let identical = true;
  let clash: Agreement['clash'] = null;
  for (let i = 0; i < x.length; i++) {
    if (!isMeant(i)) continue;
    const [a, b] = [x[i]!, reference[i]!];
    const same = Object.is(a, b);
    identical &&= same;
    if (Number.isFinite(a) && Number.isFinite(b)) {
      delta += (a - b) ** 2;
      norm += b * b;
    } else if (same) nonFinite++;
    else clash ??= { x: a, reference: b };
  }
  return { relL2: delta === 0 ? 0 : Math.sqrt(delta / norm), clash, nonFinite, identical };
}
