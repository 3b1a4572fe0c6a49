import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseRunOptions } from '../../src/config/index.js';
import { inspect } from '../../src/pipeline/inspect.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { fixture } from '../support/fixtures.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'attn-diff-prepare-'));
  cpSync(fixture('qwen2-optimum'), folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({ ...config, num_attention_heads: 16 }),
  );
});
afterEach(() => rmSync(folder, { recursive: true }));

it('flash is refused before anything runs where its kernel takes no heads of that size', async () => {
  await expect(
    prepareRun(parseRunOptions({ model: folder, random: '1x4', impl: 'eager,flash' })),
  ).rejects.toMatchObject({
    code: 'not-buildable',
    exitCode: 3,
    args: { implementation: 'flash' },
  });
  // Of those that are run unasked it is left out, and said to be.
  expect((await prepareRun(parseRunOptions({ model: folder, random: '1x4' }))).leftOut).toEqual([
    { implementation: 'flash', problem: expect.stringContaining('multiple of 8') as string },
  ]);
  await expect(
    prepareRun(parseRunOptions({ model: folder, random: '1x4', impl: 'eager,sdpa' })),
  ).resolves.toBeDefined();
});

it('inspect says so', async () => {
  const { implementations } = await inspect(folder, inProcessRunner());
  expect(
    implementations.filter(({ buildable }) => !buildable).map(({ name, reason }) => [name, reason]),
  ).toEqual([['flash', expect.stringContaining('multiple of 8')]]);
});

it('original is refused where the file takes no padded batch', async () => {
  const model = fixture('forms', 'qwen2-window-genai-fp32-cpu');
  await expect(
    prepareRun(parseRunOptions({ model, random: '1x4', impl: 'original,eager' })),
  ).rejects.toMatchObject({ code: 'not-buildable', args: { implementation: 'original' } });
});

it('rounded activations are refused where the file computes in another half precision, whose rounding it has', async () => {
  const prepare = (form: string, activations = 'bf16'): Promise<unknown> =>
    prepareRun(
      parseRunOptions({
        model: fixture('forms', form),
        random: '1x4',
        impl: 'eager,sdpa',
        activations,
      }),
    );
  await expect(prepare('qwen2-optimum-fp16')).rejects.toMatchObject({
    code: 'bad-option',
    exitCode: 2,
    args: {
      option: '--activations',
      value: 'bf16',
      problem: expect.stringContaining('fp16') as string,
      remedy: expect.stringContaining('fp16') as string,
    },
  });
  await expect(prepare('qwen2-optimum-fp16', 'fp16')).resolves.toBeDefined();
  await expect(prepare('qwen2-dynamo-bf16')).resolves.toBeDefined();
});
