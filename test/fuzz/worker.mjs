/** Runs mutants that its parent names, one after another; the parent ends it where one takes too long. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runAttnDiff } from './attnDiff.mjs';
import { problemOf } from './judge.mjs';
import { choices } from './random.mjs';
import { makeSeeds } from './seeds.mjs';
import { TARGETS } from './targets.mjs';

const seeds = await makeSeeds();
process.send({ ready: true });

process.on('message', async ({ seed, index, target, keep }) => {
  const folder = keep ?? mkdtempSync(join(tmpdir(), 'attn-diff-fuzz-'));
  try {
    const mutant = TARGETS[target].make(seeds, choices(seed, index));
    for (const [name, bytes] of Object.entries(mutant.files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), bytes);
    }
    // Known before it runs, so that the parent can run it again where this process does not survive it.
    process.send({ running: { index, folder, args: mutant.args } });
    const ended = await runAttnDiff(mutant.args, folder);
    const problem = await problemOf(ended, mutant, folder);
    process.send({
      done: {
        index,
        code: ended.code,
        problem: problem && `${mutant.note ? `${mutant.note}: ` : ''}${problem}`,
        args: mutant.args,
      },
    });
  } catch (error) {
    process.send({ done: { index, code: null, problem: `threw: ${error.stack}` } });
  } finally {
    if (!keep) rmSync(folder, { recursive: true, force: true });
  }
});
