// Runs every implementation and kernel of an execution provider on the fixtures, against eager on the CPU, and prints a
// Markdown table with the versions of all that takes part. Needs a build.
//
//   node scripts/providerTable.js cuda > docs/cuda-results.md
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cardsOf, implementationsOf, line, recordsOf, versionsOf } from './providerRows.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const [provider] = process.argv.slice(2);
if (!provider) throw new Error('usage: node scripts/providerTable.js PROVIDER');

const random = (size) => ['--random', size, '--padding', 'left,right'];
const heldOut = ['--data', join(ROOT, 'fixtures/reference/data.jsonl'), '--batch-size', '24'];
const PRECISIONS = ['fp32', 'fp16', 'bf16'];
const RUNS = [
  { model: 'qwen2-head64', inputs: random('4x128'), precisions: PRECISIONS },
  { model: 'qwen2-optimum', inputs: random('4x64'), precisions: PRECISIONS },
  { model: 'qwen2-dynamo', inputs: random('4x64'), precisions: PRECISIONS },
  { model: 'qwen2-large-scores', inputs: heldOut, precisions: ['fp16', 'bf16'] },
  {
    model: 'forms/qwen2-genai-fp32-cpu',
    inputs: ['--random', '4x64', '--padding', 'right'],
    precisions: ['fp32'],
  },
  {
    model: 'forms/qwen2-genai-fp16-cuda',
    inputs: ['--random', '4x64', '--padding', 'right'],
    precisions: ['fp16'],
  },
  {
    model: 'forms/qwen2-genai-bf16-cuda',
    inputs: ['--random', '4x64', '--padding', 'right'],
    precisions: ['bf16'],
  },
];

function attnDiff(...args) {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'bin', 'attn-diff.js'), ...args, '--format', 'json'],
    { encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  if (stdout === '') return { error: stderr.trim().replace(/^attn-diff: /, '') };
  return JSON.parse(stdout);
}

function rowsOf({ model, inputs }, precision) {
  const report = attnDiff(
    'run',
    '--model',
    join(ROOT, 'fixtures', model),
    ...inputs,
    '--precision',
    precision,
    '--reference',
    'eager@cpu',
    '--impl',
    ['eager@cpu', ...implementationsOf(provider, precision)].join(','),
    '--timeout',
    '600',
    '--fail-on',
    'none',
  );
  if (report.error) return [[model, precision, '–', '–', '–', '–', '–', report.error]];
  return recordsOf(report).map(({ implementation, ran, proof, local, accumulated, findings }) => [
    model,
    precision,
    implementation,
    ran,
    proof,
    local,
    accumulated,
    findings,
  ]);
}

const HEAD = [
  'model',
  'precision',
  'implementation',
  'what ran',
  'proof',
  'local',
  'accumulated',
  'findings',
];

const doctor = attnDiff('doctor');
const cards = cardsOf(doctor);
const drivers =
  provider === 'webgpu'
    ? (doctor.vulkan?.drivers ?? []).map(
        ({ file, library }) => `Vulkan driver ${(library ?? file).split('/').at(-1)}`,
      )
    : [];
console.log(`# ${provider}: every implementation and kernel on the fixtures\n`);
console.log(
  'Made by `scripts/providerTable.js`. Local and accumulated: the worst relative L2 against eager on the CPU, on valid tokens, at the same precision, which the CPU emulates.\n',
);
console.log(`${versionsOf(doctor)}. ${[...cards, ...drivers].join('; ') || 'No GPU was named.'}\n`);
console.log([line(HEAD), line(HEAD.map(() => '---'))].join('\n'));
for (const run of RUNS) {
  for (const precision of run.precisions)
    for (const row of rowsOf(run, precision)) console.log(line(row));
}
