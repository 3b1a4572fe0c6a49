/** What mutants are made from: one tiny model with its tokenizer, and what the command writes of it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runAttnDiff } from './attnDiff.mjs';

export const MODEL = fileURLToPath(new URL('../../fixtures/fuzz', import.meta.url));
/** Rows of one length, so that no token is padding. Each letter is a token, its id two more than its place here. */
export const PROMPTS = ['abcdef', '0123xy'];
export const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123';
export const PROMPT_ARGS = [
  ...PROMPTS.flatMap((prompt) => ['--prompt', prompt]),
  '--padding',
  'right',
];

const DATA = ['--data', 'data.jsonl', '--batch-size', '1', '--padding', 'right'];
const DATA_LINES = [
  { text: 'abc' },
  { text: 'xyz012' },
  { messages: [{ role: 'user', content: 'hello' }] },
];

/** Runs the command on the unharmed model and keeps what it writes. */
export async function makeSeeds() {
  const folder = mkdtempSync(join(tmpdir(), 'attn-diff-fuzz-seeds-'));
  try {
    writeFileSync(
      join(folder, 'data.jsonl'),
      DATA_LINES.map((line) => JSON.stringify(line)).join('\n'),
    );
    const run = async (...args) => {
      const { code, stderr } = await runAttnDiff(
        ['run', '--model', MODEL, '--no-config', '--output', 'out.txt', ...args],
        folder,
      );
      if (code > 1) throw new Error(`a seed could not be made: ${stderr}`);
    };
    await run(
      ...PROMPT_ARGS,
      '--report',
      'json=report.json',
      '--save-baseline',
      'baseline.json',
      '--history',
      'history.jsonl',
    );
    await run(...DATA, '--shard', '1/2', '--report', 'json=first.json');
    await run(...DATA, '--shard', '2/2', '--report', 'json=second.json');
    const json = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
    const model = (name) => readFileSync(join(MODEL, name));
    return {
      onnx: model('model.onnx'),
      config: JSON.parse(model('config.json')),
      tokenizer: JSON.parse(model('tokenizer.json')),
      tokenizerConfig: JSON.parse(model('tokenizer_config.json')),
      data: DATA_LINES,
      report: json('report.json'),
      baseline: json('baseline.json'),
      history: readFileSync(join(folder, 'history.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      shards: [json('first.json'), json('second.json')],
      configuration: {
        impl: 'eager,flash',
        reference: 'eager',
        padding: 'right',
        prompt: PROMPTS,
        precision: 'fp32',
        maxAbs: 0.5,
        failOn: 'nan',
        budgets: [
          { metric: 'rel-l2', max: 0.1, layers: [0, '0-1'], batch: ['right'], kind: ['valid'] },
        ],
        findings: { identical: 'off' },
      },
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
