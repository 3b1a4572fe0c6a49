const SAFE = /^[\w@%+=:,./-]+$/;

/** What would not survive on one line of a report. */
const CONTROL = /[\p{Cc}\u2028\u2029]/gu;

/** An argument as a POSIX shell takes it; with line ends and other control characters in it, as bash, zsh and ksh do. */
export function shellQuote(argument: string): string {
  if (SAFE.test(argument)) return argument;
  if (argument.search(CONTROL) < 0) return `'${argument.replaceAll("'", String.raw`'\''`)}'`;
  return `$'${argument.replaceAll(/[\\']/g, String.raw`\$&`).replaceAll(CONTROL, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)}'`;
}
