/**
 * A property of tensors that follows from the same property of others, each asked once and without recursion: graphs may
 * be a million nodes deep, and what two ways lead to must not be asked twice as often at every step.
 *
 * @param needs the tensors whose property decides, perhaps with more; none of them may need the tensor itself
 * @param decide the property, with that of the others at hand
 */
export function memoised<T>(
  needs: (tensor: string) => readonly string[],
  decide: (tensor: string, of: (other: string) => T) => T,
): (tensor: string) => T {
  const known = new Map<string, T>();
  const of = (other: string): T => known.get(other)!;
  return (tensor) => {
    const open = [tensor];
    for (let next = open.at(-1); next !== undefined; next = open.at(-1)) {
      const missing = known.has(next) ? [] : needs(next).filter((other) => !known.has(other));
      if (missing.length === 0) {
        if (!known.has(next)) known.set(next, decide(next, of));
        open.pop();
      } else for (const other of missing) open.push(other);
    }
    return of(tensor);
  };
}
