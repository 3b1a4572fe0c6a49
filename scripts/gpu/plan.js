// What is run on the machine with the GPU, in the order of worth, and how long each may take. Pure.
import { implementationsOf } from '../providerRows.js';

const PRECISIONS = ['fp32', 'fp16', 'bf16'];
const SMALL_LIMIT = 75;
const LARGE_LIMIT = 110;
const SHORT_LIMIT = 45;
/** Each implementation has a process that reads the model twice. */
const BENCH_LIMIT = 75;

/** A step that could not even start a session in less is not begun. */
const LEAST_SECONDS = 5;
/** Kept back to write what a stopped step leaves. */
const RESERVE_SECONDS = 3;

/** By what part of the whole time each group has ended, so that none eats the time of those after it. */
const GROUP_ENDS = { doctor: 0.3, kernels: 0.65, nan: 0.78, bench: 0.88, webgpu: 1, further: 1 };

/** Folders and files of fixtures/ that the steps read. */
export const FIXTURES = [
  'qwen2-head64',
  'qwen2-optimum',
  'qwen2-eager-inf',
  'qwen2-large-scores',
  'forms/qwen2-genai-fp16-cuda',
  'forms/qwen2-genai-bf16-cuda',
  'reference/data.jsonl',
];

/** Batch sizes and lengths: a CPU in the GPU's place is given less to do. */
const SIZES = {
  gpu: { lengths: [512, 2048, 4096], bench: '5' },
  cpu: { lengths: [32, 64], bench: '2' },
};

/**
 * The steps. `args` are those of attn-diff; FIXTURES/ and MODEL in them stand for places. A step
 * without them makes the model. `needs` is the provider that has to work.
 *
 * @param provider that the kernels are run on
 */
export function planSteps(provider) {
  const { lengths, bench } = provider === 'cpu' ? SIZES.cpu : SIZES.gpu;
  return [
    { id: 'doctor', group: 'doctor', limit: 60, args: ['doctor'] },
    ...PRECISIONS.map((precision) =>
      kernels(provider, 'qwen2-head64', precision, { size: '4x128' }),
    ),
    { id: 'make', group: 'kernels', limit: 60, what: '0.5B', needs: provider },
    ...['fp16', 'fp32', 'bf16'].map((precision) =>
      kernels(provider, '0.5B', precision, { size: '2x64', limit: LARGE_LIMIT }),
    ),
    ...nanSteps(provider),
    ...lengths.map((length) => benchStep(provider, length, bench)),
    ...['fp32', 'fp16'].flatMap((precision) =>
      ['4x16', '4x128'].map((size) => ({
        ...kernels('webgpu', 'qwen2-head64', precision, { size, limit: SHORT_LIMIT }),
        id: `webgpu ${size}`,
        group: 'webgpu',
      })),
    ),
    ...[
      ...PRECISIONS.map((precision) => ['qwen2-optimum', precision]),
      ['forms/qwen2-genai-fp16-cuda', 'fp16'],
      ['forms/qwen2-genai-bf16-cuda', 'bf16'],
    ].map(([what, precision]) => ({
      ...kernels(provider, what, precision, { size: '4x64', padding: 'right' }),
      group: 'further',
    })),
  ];
}

function kernels(provider, what, precision, { size, padding = 'left,right', limit = SMALL_LIMIT }) {
  return comparison(provider, what, precision, {
    id: 'kernels',
    group: 'kernels',
    limit,
    inputs: ['--random', size, '--padding', padding],
  });
}

/** Every implementation of a provider against eager on the CPU, at one precision. */
function comparison(
  provider,
  what,
  precision,
  { id, group, limit, inputs, reference = 'eager@cpu' },
) {
  const impl = [...new Set([reference, ...implementationsOf(provider, precision)])];
  return {
    id,
    group,
    limit,
    what,
    precision,
    needs: provider,
    args: [
      'run',
      '--no-config',
      '--model',
      placeOf(what),
      ...inputs,
      '--precision',
      precision,
      '--reference',
      reference,
      '--impl',
      impl.join(','),
      '--timeout',
      `${Math.round(limit / 2)}`,
      '--fail-on',
      'none',
    ],
  };
}

/** Left padding leaves queries whose every key is masked; large scores overflow fp16, in eager too. */
function nanSteps(provider) {
  const left = ['--random', '4x32', '--padding', 'left'];
  const text = ['--data', 'FIXTURES/reference/data.jsonl', '--batch-size', '24'];
  const step = (what, precision, inputs, reference) =>
    comparison(provider, what, precision, {
      id: 'nan',
      group: 'nan',
      limit: SHORT_LIMIT,
      inputs,
      reference,
    });
  return [
    step('qwen2-eager-inf', 'fp32', left),
    step('qwen2-eager-inf', 'fp16', left),
    step('qwen2-large-scores', 'fp16', text, 'eager@cpu:precision=fp32'),
    step('qwen2-large-scores', 'bf16', text, 'eager@cpu:precision=fp32'),
  ];
}

function benchStep(provider, length, repeat) {
  const impl = ['original', 'eager', 'sdpa', 'flash']
    .map((name) => `${name}@${provider}`)
    .join(',');
  return {
    id: `bench ${length}`,
    group: 'bench',
    limit: BENCH_LIMIT,
    what: '0.5B',
    precision: 'fp16',
    needs: provider,
    args: [
      'bench',
      '--model',
      'MODEL',
      '--impl',
      impl,
      '--precision',
      'fp16',
      '--lengths',
      `${length}`,
      '--repeat',
      repeat,
      '--warmup',
      '2',
      '--timeout',
      `${Math.round(BENCH_LIMIT / 2)}`,
    ],
  };
}

function placeOf(what) {
  return what === '0.5B' ? 'MODEL' : `FIXTURES/${what}`;
}

/** The arguments with their places filled in. */
export function placed(args, { fixtures, model }) {
  return args.map((arg) => (arg === 'MODEL' ? model : arg.replace(/^FIXTURES(?=\/)/, fixtures)));
}

/**
 * Seconds that a step may take, or why it is not begun.
 *
 * @param elapsed seconds since the whole began
 * @param whole seconds that all steps may take
 */
export function allowance({ group, limit }, elapsed, whole) {
  const left = Math.floor(GROUP_ENDS[group] * (whole - RESERVE_SECONDS) - elapsed);
  if (left >= LEAST_SECONDS) return { seconds: Math.min(limit, left) };
  const part = GROUP_ENDS[group] === 1 ? 'the time' : `the ${group} steps' part`;
  return { dropped: `dropped: ${part} of the ${whole} s that all may take is used up` };
}

/**
 * Why a provider cannot be used, in one line; null where it can.
 *
 * @param doctor the report of doctor, null where it gave none
 * @param missing pieces that are known to be missing for it
 */
export function obstacleOf(provider, doctor, missing = []) {
  if (doctor === null) return null;
  const check = doctor.providers.find(({ name }) => name === provider);
  if (check === undefined || check.status === 'works') return null;
  const what = check.status === 'missing' ? 'is missing' : check.status;
  // What helps with CUDA is read from this machine; with WebGPU it is the same text everywhere.
  const remedy = provider === 'cuda' ? check.remedy : null;
  return [`skipped: doctor says that ${provider} ${what}`, ...missing, check.problem, remedy]
    .filter((part) => part)
    .join('; ');
}
