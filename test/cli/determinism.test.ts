import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BIN, exec, TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

const folder = new TestFolder();
/** A run with much in it: many batches, emulated precision, NaN and where it comes from, factors tried one by one, heads. */
const COMMAND = [
  'explain',
  '--model',
  fixture('qwen2-large-scores'),
  '--data',
  fixture('reference', 'data.jsonl'),
  '--batch-size',
  '12',
  '--length',
  '8',
  '--precision',
  'fp16',
  '--reference',
  'exact',
  '--impl',
  'eager,sdpa',
  '--heads',
];
/** What of a process is no part of a command. Threads are the same in both: their number may change the order of sums. */
const PLACES = [
  { LANG: 'C', LC_ALL: 'C', TZ: 'UTC', ORT_INTRA_OP_NUM_THREADS: '2' },
  {
    LANG: 'de_DE.UTF-8',
    LC_ALL: 'tr_TR.UTF-8',
    TZ: 'Asia/Tokyo',
    COLUMNS: '70',
    FORCE_COLOR: '1',
    ORT_INTRA_OP_NUM_THREADS: '2',
  },
];

it('two runs of one command write the same JSON, byte for byte but for times, wherever and whenever they run', async () => {
  const texts = await Promise.all(
    PLACES.map(async (env, i) => {
      const path = folder.path(`${'longer'.repeat(i)}.json`);
      const { stderr } = await exec(
        process.execPath,
        [BIN, ...COMMAND, '--report', `json=${path}`],
        { env },
      );
      expect(stderr).toBe('');
      return readFileSync(path, 'utf8');
    }),
  );
  const [first, second] = texts.map((text) => text.split(/^ {2}"timing": \{\n[^}]*\}\n/m));
  expect(first).toHaveLength(2);
  expect(second).toEqual(first);
});
