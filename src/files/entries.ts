import { readdirSync } from 'node:fs';

/** The names in a folder, sorted; none where it cannot be read. */
export function entriesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}
