/**
 * Puts documents one after another into rows, in order: one that does not fit into what is left of a row starts the
 * next, and one longer than a row keeps its first tokens.
 *
 * @param length tokens per row
 * @returns token ids, one list per document of each row
 */
export function packRows(documents: readonly number[][], length: number): number[][][] {
  const rows: number[][][] = [];
  let left = 0;
  for (const document of documents) {
    const ids = document.slice(0, length);
    if (ids.length > left) {
      rows.push([]);
      left = length;
    }
    rows.at(-1)!.push(ids);
    left -= ids.length;
  }
  return rows;
}
