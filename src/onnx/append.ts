/** As `to.push(...items)`, which takes no more items than a call takes arguments. */
export function append<T>(to: T[], items: Iterable<T>): void {
  for (const item of items) to.push(item);
}
