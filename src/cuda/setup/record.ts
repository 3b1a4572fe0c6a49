import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { isSameCommit } from './buildInfo.js';
import { crcOfFile } from './crc.js';
import type { Runtime } from './judge.js';
import type { SourceFile } from './source.js';

/** Says beside the libraries what they are, since they do not say it themselves. */
export const RECORD = 'attn-diff-setup.json';

const MOST_BYTES = 65_536;

const schema = z.object({
  schema: z.literal('attn-diff/setup/v1'),
  version: z.string().nullable(),
  commit: z.string().regex(/^[0-9a-f]{7,40}$/),
  cuda: z.number().nullable(),
  files: z.array(z.object({ name: z.string(), bytes: z.number(), crc32: z.number() })),
});
export type SetupRecord = z.output<typeof schema>;

/** The record as a file that is put in place with the libraries. */
export function recordFile(record: Omit<SetupRecord, 'schema'>): SourceFile {
  const fields = { schema: 'attn-diff/setup/v1', ...record };
  const text = Buffer.from(`${JSON.stringify(fields, null, 2)}\n`);
  const open: SourceFile['open'] = () => Promise.resolve(Readable.from([text]));
  return { name: RECORD, bytes: text.length, path: null, crc32: null, open };
}

/**
 * What an earlier setup put into a folder.
 *
 * @param names of the libraries that must be there
 * @returns null where there was none, where it was for another build, or where a file has changed
 */
export async function intactRecord(
  folder: string,
  names: readonly string[],
  runtime: Runtime,
): Promise<SetupRecord | null> {
  const record = read(folder);
  if (record === null || !isSameCommit(record.commit, runtime.commit)) return null;
  for (const name of names) {
    const known = record.files.find((file) => file.name === name);
    if (known === undefined || !(await isIn(folder, known))) return null;
  }
  return record;
}

/** Whether a folder has a file with these bytes. */
export async function isIn(
  folder: string,
  { name, bytes, crc32 }: { name: string; bytes: number; crc32: number },
): Promise<boolean> {
  const path = join(folder, name);
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true && stats.size === bytes && (await crcOfFile(path)) === crc32;
}

function read(folder: string): SetupRecord | null {
  const path = join(folder, RECORD);
  try {
    const stats = statSync(path);
    if (!stats.isFile() || stats.size > MOST_BYTES) return null;
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null;
  }
}
