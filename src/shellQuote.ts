import { isUnseen } from './printable.js';

/** What no shell reads as anything but itself; a word that begins with `=` is a path to zsh. */
const SAFE = /^[\w@+:,./-][\w@+=:,./-]*$/;
/** What shells read even between quotes: the quote itself, in fish a backslash, in an interactive shell the history. */
const NEVER_QUOTED = /['\\!]/;

/**
 * An argument as bash, zsh, fish and POSIX shells take it, on one line that shows all of it: what nobody sees is written
 * as octal bytes. One that ends in a line end is for bash and zsh alone, and is an error in others.
 */
export function shellQuote(argument: string): string {
  if (SAFE.test(argument)) return argument;
  if (isUnseen(argument)) return argument.endsWith('\n') ? ansiQuoted(argument) : printed(argument);
  const parts = argument.split(/(['\\!])/).filter((part) => part !== '');
  return (
    parts.map((part) => (NEVER_QUOTED.test(part) ? `\\${part}` : `'${part}'`)).join('') || "''"
  );
}

/** By printf, whose output is the argument; only letters, digits and spaces stand there as they are. */
function printed(argument: string): string {
  return `"$(printf '${bytesOf(argument, (byte) => `\\${byte.toString(8).padStart(3, '0')}`)}')"`;
}

function ansiQuoted(argument: string): string {
  return `$'${bytesOf(argument, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`)}'`;
}

function bytesOf(text: string, written: (byte: number) => string): string {
  return [...text]
    .map((char) =>
      /^(?:[A-Za-z0-9 ./_]|[^ -~])$/u.test(char) && !isUnseen(char)
        ? char
        : [...new TextEncoder().encode(char)].map(written).join(''),
    )
    .join('');
}
