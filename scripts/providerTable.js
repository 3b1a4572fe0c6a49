// Runs every implementation and kernel of an execution provider on the fixtures, against eager on the CPU, and prints a
// Markdown table with the versions of all that takes part. Needs a build.
//
//   node scripts/providerTable.js cuda > docs/cuda-results.md
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kernelsOf, providerObstacle } from '../dist/attention/kernels.js';
import { formatNumber } from '../dist/report/text/number.js';

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
  { model: 'forms/qwen2-genai-fp32-cpu', inputs: ['--random', '4x64', '--padding', 'right'], precisions: ['fp32'] },
  { model: 'forms/qwen2-genai-fp16-cuda', inputs: ['--random', '4x64', '--padding', 'right'], precisions: ['fp16'] },
  { model: 'forms/qwen2-genai-bf16-cuda', inputs: ['--random', '4x64', '--padding', 'right'], precisions: ['bf16'] },
];

/** What can be asked of the provider at a precision. */
function implementations(precision) {
  const settings = { provider, precision, kernel: null };
  const named = ['sdpa', 'flash'].flatMap((name) => kernelsOf(provider, name).map((kernel) => ({ name, kernel: kernel.name })));
  const asked = named.filter(({ name, kernel }) => providerObstacle(name, { ...settings, kernel }) === null).map(({ name, kernel }) => `${name}@${provider}:kernel=${kernel}`);
  return [...(providerObstacle('eager', settings) === null ? [`eager@${provider}`] : []), ...asked, `original@${provider}`];
}

function attnDiff(...args) {
  const { stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'bin', 'attn-diff.js'), ...args, '--format', 'json'], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (stdout === '') return { error: stderr.trim().replace(/^attn-diff: /, '') };
  return JSON.parse(stdout);
}

/** What matters of ONNX Runtime's words comes last. */
const refusal = (problem) => problem.replaceAll(/\s+/g, ' ').replace(/^.*Status Message: (?:\S+:\d+ \w+ )?/, '').slice(0, 120);

const worst = (rows) => (rows.length === 0 ? '–' : formatNumber(rows.map((row) => Number(row.relL2)).reduce((a, b) => (a >= b || Number.isNaN(a) ? a : b))));

function rowsOf({ model, inputs }, precision) {
  const report = attnDiff('run', '--model', join(ROOT, 'fixtures', model), ...inputs, '--precision', precision, '--reference', 'eager@cpu', '--impl', ['eager@cpu', ...implementations(precision)].join(','), '--timeout', '600', '--fail-on', 'none');
  if (report.error) return [[model, precision, '–', '–', '–', '–', '–', report.error]];
  return report.implementations.filter(({ name }) => name !== report.reference).map((info) => {
    const own = report.rows.filter(({ implementation, kind }) => implementation === info.name && kind === 'valid');
    const codes = report.findings.filter(({ implementation, code }) => implementation === info.name && code !== 'padding-by-design').map(({ code }) => code);
    const proof = info.failure ? refusal(info.failure.problem) : `${info.proof}${info.reason ? `: ${info.reason}` : ''}`;
    return [model, precision, info.name, info.failure ? '–' : `${info.kernel} on ${info.provider}`, proof, worst(own.filter(({ scope }) => scope === 'local')), worst(own.filter(({ scope }) => scope === 'accumulated')), codes.join(', ')];
  });
}

const cell = (text) => String(text).replaceAll('|', '\\|');
const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
const HEAD = ['model', 'precision', 'implementation', 'what ran', 'proof', 'local', 'accumulated', 'findings'];

const { machine, gpus, vulkan } = attnDiff('doctor');
const cards = (gpus ?? []).map(({ name, driver }) => `${name}${driver ? ` (driver ${driver})` : ''}`);
const drivers = provider === 'webgpu' ? (vulkan?.drivers ?? []).map(({ file, library }) => `Vulkan driver ${(library ?? file).split('/').at(-1)}`) : [];
console.log(`# ${provider}: every implementation and kernel on the fixtures\n`);
console.log('Made by `scripts/providerTable.js`. Local and accumulated: the worst relative L2 against eager on the CPU, on valid tokens, at the same precision, which the CPU emulates.\n');
console.log(`attn-diff ${machine.attnDiff}, onnxruntime ${machine.onnxruntime}, node ${machine.node}, ${machine.platform}-${machine.arch}, ${machine.cpu}. ${[...cards, ...drivers].join('; ') || 'No GPU was named.'}\n`);
console.log([line(HEAD), line(HEAD.map(() => '---'))].join('\n'));
for (const run of RUNS) {
  for (const precision of run.precisions) for (const row of rowsOf(run, precision)) console.log(line(row));
}
