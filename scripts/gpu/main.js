// Runs the plan and writes what comes of it, step by step: PROVIDER-results.md, reports.jsonl (the full
// report of each step, one a line) and log.txt. Started by run.sh.
//
//   node scripts/gpu/main.js --out FOLDER --work FOLDER [--provider cuda] [--limit 480]
//                            [--began EPOCH_SECONDS] [--layers 24] [--libraries FOLDER]
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machineFacts } from './machine.js';
import { allowance, obstacleOf, placed, planSteps } from './plan.js';
import { HALF_BILLION } from './qwenShape.js';
import { reportOf, runNode } from './runStep.js';
import { headText, rowsText, titleText } from './table.js';
import { vulkanEnvironment } from './vulkan.js';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const { values: options } = parseArgs({
  options: {
    out: { type: 'string' },
    work: { type: 'string' },
    provider: { type: 'string', default: 'cuda' },
    limit: { type: 'string', default: '480' },
    began: { type: 'string', default: `${Date.now() / 1000}` },
    layers: { type: 'string', default: `${HALF_BILLION.layers}` },
    libraries: { type: 'string', default: '' },
  },
});
const { out, work, provider } = options;
const whole = Number(options.limit);
const places = { fixtures: join(ROOT, 'fixtures'), model: join(work, 'model') };
const { env, missing } = vulkanEnvironment(process.env, work, options.libraries);

mkdirSync(out, { recursive: true });
const files = {
  table: join(out, `${provider}-results.md`),
  reports: join(out, 'reports.jsonl'),
  log: join(out, 'log.txt'),
};
writeFileSync(files.table, titleText(provider));
writeFileSync(files.reports, '');
writeFileSync(files.log, '');

// Who reads along may go; the files are what counts.
process.stdout.on('error', () => undefined);

const elapsed = () => Date.now() / 1000 - Number(options.began);
const log = (text) => {
  const stamped = `[${elapsed().toFixed(1)} s] ${text}\n`;
  appendFileSync(files.log, stamped);
  process.stdout.write(stamped);
};

let running = null;
for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
]) {
  process.on(signal, () => {
    running?.kill();
    if (running)
      appendFileSync(
        files.table,
        rowsText(running.step, { report: null, problem: 'interrupted', seconds: null }),
      );
    log(`interrupted by ${signal}`);
    process.exit(code);
  });
}

/** What a step starts: attn-diff, or the program that makes the model. */
function commandOf({ args }) {
  if (args) return [join(ROOT, 'bin/attn-diff.js'), ...placed(args, places), '--format', 'json'];
  return [join(ROOT, 'scripts/gpu/makeModel.js'), places.model, options.layers];
}

let doctor = null;
let isModelMade = false;

function reasonNotTo(step) {
  const obstacle = step.needs
    ? obstacleOf(step.needs, doctor, step.needs === 'webgpu' ? missing : [])
    : null;
  if (obstacle !== null) return obstacle;
  return step.args?.includes('MODEL') && !isModelMade ? 'skipped: its model was not made' : null;
}

async function run(step) {
  const { seconds: limit, dropped } = allowance(step, elapsed(), whole);
  const reason = reasonNotTo(step) ?? dropped;
  if (reason !== undefined) return { report: null, problem: reason, seconds: null };
  const ended = await runNode(commandOf(step), {
    limit,
    env,
    cwd: work,
    onStart: (kill) => {
      running = { step, kill };
    },
  });
  running = null;
  const { report, problem } = step.args ? reportOf(ended) : madeOf(ended);
  const { status, isStopped, stderr, seconds } = ended;
  const record = {
    step: step.id,
    model: step.what,
    precision: step.precision,
    args: step.args,
    limit,
    seconds,
    status,
    isStopped,
    problem,
    stderr,
    report,
  };
  appendFileSync(files.reports, `${JSON.stringify(record)}\n`);
  if (stderr.trim() !== '') log(stderr.trim());
  return { report, problem, seconds };
}

function madeOf({ status, stderr }) {
  isModelMade = status === 0;
  return {
    report: null,
    problem: isModelMade ? 'made' : `not made: ${stderr.trim().split('\n').at(-1)}`,
  };
}

for (const step of planSteps(provider)) {
  const outcome = await run(step);
  if (step.id === 'doctor') {
    doctor = outcome.report;
    appendFileSync(files.table, headText(doctor, machineFacts(ROOT)));
  }
  appendFileSync(files.table, rowsText({ ...step, args: step.args ?? ['make'] }, outcome));
  const took = outcome.seconds === null ? '' : ` in ${outcome.seconds.toFixed(1)} s`;
  log(
    `${[step.id, step.what, step.precision].filter(Boolean).join(' ')}: ${outcome.problem ?? 'done'}${took}`,
  );
}
log('all steps are through');
appendFileSync(files.table, `\nAll steps took ${elapsed().toFixed(0)} s of ${whole} s.\n`);
