/**
 * The one of a few words that is likely meant by another: the same but for capitals, dashes and underlines, or the
 * nearest by edits, of which there may be one for each three letters.
 *
 * @returns null where none is near
 */
export function suggestion(word: string, words: readonly string[]): string | null {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_]/g, '');
  const wanted = plain(word);
  const near = words.map((candidate) => ({
    candidate,
    edits: edits(wanted, plain(candidate)),
    length: Math.max(wanted.length, plain(candidate).length),
  }));
  const [best] = near
    .filter((each) => each.edits <= each.length / 3)
    .toSorted((a, b) => a.edits - b.edits);
  return best?.candidate ?? null;
}

/** Letters to put in, take out, replace or swap with the next, that make one text of another (optimal string alignment). */
function edits(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= from.length; row++) {
    const [above, current] = [rows[row - 1]!, [row]];
    for (let column = 1; column <= to.length; column++) {
      const replaced = above[column - 1]! + Number(from[row - 1] !== to[column - 1]);
      const isSwapped =
        row > 1 &&
        column > 1 &&
        from[row - 1] === to[column - 2] &&
        from[row - 2] === to[column - 1];
      current.push(
        Math.min(
          above[column]! + 1,
          current[column - 1]! + 1,
          replaced,
          isSwapped ? rows[row - 2]![column - 2]! + 1 : Infinity,
        ),
      );
    }
    rows.push(current);
  }
  return rows[from.length]![to.length]!;
}
