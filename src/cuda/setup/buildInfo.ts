import type { Readable } from 'node:stream';

const MARK = Buffer.from('ORT Build Info: ');
/** The text goes on with the branch and the commit, and ends with NUL. */
const LONGEST = 1024;

/**
 * The commit that a libonnxruntime was built from, by the text that it prints when it is loaded.
 *
 * @param stream the library; it is read to its end, so that its checks are made, but kept nowhere
 * @returns null where it holds no such text
 * @throws what the stream throws
 */
export async function commitIn(stream: Readable): Promise<string | null> {
  let commit: string | null = null;
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (commit !== null) continue;
    const bytes = Buffer.concat([tail, chunk]);
    const whole = Math.max(0, bytes.length - LONGEST);
    commit = firstCommit(bytes, whole);
    tail = bytes.subarray(whole);
  }
  return commit ?? firstCommit(tail, tail.length);
}

/** The commit in the first text that names one, of those that begin before an offset. */
function firstCommit(bytes: Buffer, end: number): string | null {
  let at = bytes.indexOf(MARK);
  while (at !== -1 && at < end) {
    const commit = commitOf(bytes.toString('latin1', at, at + LONGEST));
    if (commit !== null) return commit;
    at = bytes.indexOf(MARK, at + 1);
  }
  return null;
}

function commitOf(text: string): string | null {
  const line = text.split('\0', 1)[0]!;
  return /\bgit-commit-id=([0-9a-f]{7,40})\b/.exec(line)?.[1] ?? null;
}

/** Whether two commits are one, of which either may be shortened. */
export function isSameCommit(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}
