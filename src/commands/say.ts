import { printable, terminalText } from '../printable.js';

/** One line on stderr, whatever names are in it. */
export function say(text: string): void {
  process.stderr.write(terminalText(`attn-diff: ${printable(text)}\n`));
}
