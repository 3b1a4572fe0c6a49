// Feeds the command mutated models, configurations, tokenizers, templates, masks and reports: none may throw, hang,
// take more than its memory, or pass though the model is broken.
//
//   npm run fuzz                       1,000 mutants
//   npm run fuzz -- 10000 --seed 7     more, or others
//   npm run fuzz -- --only 4711        one again, its files kept
import { fork, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { choices } from './random.mjs';
import { TARGETS } from './targets.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    target: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const total = Number(positionals[0] ?? 1000);
const names = values.target === undefined ? Object.keys(TARGETS) : values.target.split(',');
if (
  !Number.isInteger(seed) ||
  !Number.isInteger(total) ||
  total < 1 ||
  names.some((name) => !(name in TARGETS))
) {
  console.error(
    `Give how many mutants, --seed a whole number, --target of ${Object.keys(TARGETS).join(', ')}.`,
  );
  process.exit(2);
}

const BIN = fileURLToPath(new URL('../../bin/attn-diff.js', import.meta.url));
/** Processor seconds that one mutant may take, and seconds after which one that only waits is given up. */
const MOST_CPU_SECONDS = 10;
const MOST_SECONDS = 120;
const HEAP_MB = 1024;
/** A process is given up after so many mutants, since what it holds is not all given back. */
const PER_WORKER = 400;

const wheel = names.flatMap((name) => Array.from({ length: TARGETS[name].weight }, () => name));
/** Taken from a stream of its own, so that a target is the same whatever it does with its own. */
const targetOf = (index) => choices(seed ^ 0x5bd1e995, index).pick(wheel);

const only = values.only === undefined ? null : Number(values.only);
const queue = only === null ? Array.from({ length: total }, (_, index) => index) : [only];
const failures = [];
const codes = new Map();
let slowest = { ms: 0, index: 0 };

await Promise.all(Array.from({ length: Math.min(queue.length, availableParallelism()) }, work));
const counted = [...codes]
  .sort(([a], [b]) => a - b)
  .map(([code, count]) => `${count} exit ${code}`);
console.log(
  `seed ${seed}: ${counted.join(', ')}; the slowest took ${(slowest.ms / 1000).toFixed(1)} s (${slowest.index})`,
);
for (const { index, problem, args } of failures.toSorted((a, b) => a.index - b.index))
  console.log(
    `✗ ${index} ${targetOf(index)}: ${problem}\n  ${args ? `attn-diff ${args.join(' ')}   ` : ''}again: npm run fuzz -- --seed ${seed} --only ${index}`,
  );
console.log(`${only === null ? total : 1} mutants, ${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function work() {
  while (queue.length > 0) await oneWorker();
}

/** Runs mutants in one process until it is used up, or one of them ends it. */
async function oneWorker() {
  const child = fork(new URL('worker.mjs', import.meta.url), {
    execArgv: [`--max-old-space-size=${HEAP_MB}`],
    env: { ...process.env, NO_COLOR: '1', ORT_INTRA_OP_NUM_THREADS: '1' },
  });
  let left = PER_WORKER;
  let current = null;
  let isReady = false;
  const next = () => {
    const index = left-- > 0 ? queue.shift() : undefined;
    if (index === undefined) return child.kill('SIGKILL');
    const keep = only === null ? null : mkdtempSync(join(tmpdir(), 'attn-diff-fuzz-kept-'));
    if (keep) console.log(`files: ${keep}`);
    current = { index, from: performance.now(), cpu: cpuSeconds(child.pid), hung: false };
    child.send({ seed, index, target: targetOf(index), keep });
  };
  child.on('message', ({ ready, running, done }) => {
    if (running) return Object.assign(current, running);
    if (done) {
      const ms = performance.now() - current.from;
      if (ms > slowest.ms) slowest = { ms, index: done.index };
      codes.set(done.code, (codes.get(done.code) ?? 0) + 1);
      if (done.problem) failures.push(done);
      if (values.verbose) console.log(`${done.index} ${targetOf(done.index)}: exit ${done.code}`);
      current = null;
    }
    isReady ||= Boolean(ready);
    if (ready || done) next();
  });
  const watch = setInterval(() => {
    if (!current) return;
    current.hung =
      cpuSeconds(child.pid) - current.cpu > MOST_CPU_SECONDS ||
      performance.now() - current.from > 1000 * MOST_SECONDS;
    if (current.hung) child.kill('SIGKILL');
  }, 500);
  await new Promise((resolve) => child.on('close', resolve));
  clearInterval(watch);
  if (!isReady) process.exit(2);
  if (current) ended(current);
}

/** What a process has computed so far, where the system tells; the time since its start counts elsewhere. */
function cpuSeconds(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return performance.now() / 1000;
  }
}

/** A mutant that ended the process in which it ran is run as a user would run it: there a child takes the blow. */
function ended({ index, folder, args, hung }) {
  if (!folder) return failures.push({ index, problem: 'its files could not be made' });
  const kept = mkdtempSync(join(tmpdir(), 'attn-diff-fuzz-kept-'));
  cpSync(folder, kept, { recursive: true });
  rmSync(folder, { recursive: true, force: true });
  const limited = `ulimit -t ${MOST_CPU_SECONDS}; exec "$0" "$@"`;
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', limited, process.execPath, `--max-old-space-size=${HEAP_MB}`, BIN, ...args],
    { cwd: kept, timeout: 1000 * MOST_SECONDS, encoding: 'utf8', killSignal: 'SIGKILL' },
  );
  codes.set(status, (codes.get(status) ?? 0) + 1);
  const oneLine = /^attn-diff: [^\n]+\n$/.test(stderr);
  if (status === null || status > 128)
    failures.push({
      index,
      problem: `takes longer than ${MOST_CPU_SECONDS} s, or is killed (files: ${kept})`,
      args,
    });
  else if (![2, 3, 4].includes(status) || !oneLine)
    failures.push({
      index,
      problem: `${hung ? 'hangs' : 'crashes'} in one process, and ends with ${status} in its own: ${stderr.slice(0, 300)} (files: ${kept})`,
      args,
    });
  else rmSync(kept, { recursive: true });
}
