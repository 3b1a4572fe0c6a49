import type { InputNote } from '../types.js';

/** What is unusual about a file's inputs, and what is done about it, a line each. */
export function inputNoteText(note: InputNote): string {
  switch (note.code) {
    case 'fixed-batch':
      return `${note.input} fixes the batch to ${note.size}: run with that axis opened, which the rebuild check compares with the file itself`;
    case 'fixed-length':
      return `${note.input} fixes the length to ${note.size}: every row is padded to it`;
    case 'no-mask':
      return 'no mask, so that the file cannot be told of padding: rows of different lengths are batches of their own, without padding';
    case 'embedding':
      return `${note.input}: the rows of ${note.table} for the token ids`;
    case 'fed-as':
      return `${note.input}: fed as ${note.as}`;
  }
}
