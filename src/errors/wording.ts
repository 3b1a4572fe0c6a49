import { printable, truncate } from '../report/text/width.js';

/** How one kind of error is put into words: what is wrong, and what helps in this very case. */
export interface ErrorWording<A> {
  says: (args: A) => string;
  advice: (args: A) => string;
}

/**
 * One kind of error. The arguments of `says` are those that the error carries.
 *
 * @param says what is wrong, without a full stop
 * @param advice what helps, as a sentence without a full stop
 */
export function error<A>(
  says: (args: A) => string,
  advice: string | ((args: A) => string),
): ErrorWording<A> {
  return { says, advice: typeof advice === 'string' ? () => advice : advice };
}

/** An argument longer than this is cut; the whole of it is of no help on one line. */
const LONGEST = 300;

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'no permission (EACCES)',
  EEXIST: 'another result of this command goes there (EEXIST)',
  ECONNREFUSED: 'nothing listens there (ECONNREFUSED)',
  ECONNRESET: 'the connection was cut (ECONNRESET)',
  EISDIR: 'it is a folder (EISDIR)',
  EDQUOT: 'the quota of the disk is used up (EDQUOT)',
  EMFILE: 'too many files are open (EMFILE)',
  ENOENT: 'no such file or folder (ENOENT)',
  ENOSPC: 'the disk is full (ENOSPC)',
  ENOTFOUND: 'there is no such host (ENOTFOUND)',
  ENOTDIR: 'a part of the path is not a folder (ENOTDIR)',
  EPERM: 'no permission (EPERM)',
  EROFS: 'the file system is read-only (EROFS)',
};

/** A name in quotes, cut where it is long. */
export function quote(text: string): string {
  return `"${truncate(printable(text), 60)}"`;
}

/** The text without the full stop or line end that it may bring along; an operating system's error code in words. */
export function clause(text: string): string {
  return SYSTEM_ERRORS[text] ?? truncate(printable(text), LONGEST).replace(/[.\s]+$/, '');
}

/** Whether an operating system's error code says that there is no room. */
export function isFull(code: string): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT';
}
