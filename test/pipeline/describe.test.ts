import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeModel } from '../../src/pipeline/describe.js';
import { loadModel } from '../../src/pipeline/load.js';
import { fixture } from '../support/fixtures.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'attn-diff-describe-'))));
afterEach(() => rmSync(folder, { recursive: true }));

it('a decoder of another family is said to be taken for a Llama-like one', async () => {
  cpSync(fixture('qwen2-optimum'), folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, model_type: 'mistral' }));
  expect(describeModel(await loadModel(folder)).family).toBe(
    'mistral, recognised as a Llama-like decoder',
  );
  expect(describeModel(await loadModel(fixture('qwen2-optimum'))).family).toBe('qwen2');
});
