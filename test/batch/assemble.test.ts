import { describe, expect, test } from 'vitest';
import { allowedMask, assembleBatches } from '../../src/batch/index.js';
import { BUILT_IN_PROMPTS } from '../../src/batch/builtIn.js';
import { parseRunOptions } from '../../src/config/index.js';
import type { RawRunOptions } from '../../src/config/index.js';
import type { Tokenizer } from '../../src/model/index.js';
import { loadTokenizer, openModelSource } from '../../src/model/index.js';
import { folderWith } from '../model/helpers.js';
import { readReference } from './reference.js';

const model = { vocabSize: 200, maxPositions: 16, padTokenId: null, eosTokenId: null };
/** One token per character. */
const encode = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));
const encodeChat: Tokenizer['encodeChat'] = (messages) => encode(messages.map(({ role, content }) => `${role[0]}:${String(content)};`).join(''));
const characters: Tokenizer = { encode, encodeChat, padTokenId: 7 };
const assemble = (raw: RawRunOptions, tokenizer: Tokenizer | null = characters, changes = {}) =>
  assembleBatches(parseRunOptions({ model: 'm', ...raw }), tokenizer, { ...model, ...changes });

describe('assembleBatches', () => {
  test('one batch per padding side, the same sequences in the same order', async () => {
    const [left, right, ...more] = await assemble({ prompt: ['abc', 'd'] });
    expect(more).toEqual([]);
    expect(left).toMatchObject({ name: 'left', padding: 'left', source: '--prompt', size: 2, length: 3 });
    expect(right).toMatchObject({ name: 'right', padding: 'right' });
    expect(left?.inputIds).toEqual(BigInt64Array.of(97n, 98n, 99n, 7n, 7n, 100n));
    expect(right?.inputIds).toEqual(BigInt64Array.of(97n, 98n, 99n, 100n, 7n, 7n));
    expect((await assemble({ prompt: ['a'], padding: 'right' })).map(({ name }) => name)).toEqual(['right']);
  });

  test('names where the prompts come from', async () => {
    const path = `${await folderWith({ 'p.txt': 'ab\nc' })}/p.txt`;
    expect((await assemble({ prompts: path }))[0]).toMatchObject({ source: path, size: 2 });
    expect((await assemble({ random: '3x8' }, null))[0]).toMatchObject({ source: 'random', size: 3, length: 8 });
    expect((await assemble({}, { ...characters, encode: () => [1] }))[0]).toMatchObject({ source: 'built-in', size: BUILT_IN_PROMPTS.length });
  });

  test('--chat puts each text through the template as one user message', async () => {
    const path = `${await folderWith({ 'p.txt': 'ab\nc' })}/p.txt`;
    const rows = async (raw: RawRunOptions) => {
      const [batch] = await assemble({ padding: 'right', ...raw });
      return { source: batch?.source, first: String.fromCharCode(...[...(batch?.inputIds ?? [])].slice(0, batch?.length).map(Number)) };
    };
    expect(await rows({ prompt: ['ab', 'c'], chat: true })).toEqual({ source: '--prompt, chat', first: 'u:ab;' });
    expect(await rows({ prompts: path, chat: true })).toEqual({ source: `${path}, chat`, first: 'u:ab;' });
    expect((await assemble({ chat: true }, { ...characters, encodeChat: () => [1] }))[0]?.source).toBe('built-in, chat');
  });

  test('a conversation goes through the template without --chat, the texts beside it do not', async () => {
    const lines = ['{"messages":[{"role":"system","content":"x"},{"role":"user","content":"y"}]}', '{"text":"zz"}'];
    const path = `${await folderWith({ 'p.jsonl': lines.join('\n') })}/p.jsonl`;
    const [batch] = await assemble({ prompts: path, padding: 'right' });
    expect(batch).toMatchObject({ source: `${path}, chat`, length: 8 });
    expect(String.fromCharCode(...[...(batch?.inputIds ?? [])].map(Number))).toBe(`s:x;u:y;zz${'\x07'.repeat(6)}`);
    const long = `${await folderWith({ 'p.jsonl': '{"messages":[{"role":"user","content":"a question far too long"}]}' })}/p.jsonl`;
    await expect(assemble({ prompts: long })).rejects.toMatchObject({ code: 'prompt-too-long', args: { prompt: 'a question far too long' } });
  });

  test('random prompts without a tokenizer pad with pad, eos, or 0', async () => {
    const padOf = async (changes: object) =>
      (await assemble({ random: '1x4', length: '5', padding: 'left' }, null, changes))[0]?.inputIds[0];
    expect(await padOf({ padTokenId: 5, eosTokenId: 6 })).toBe(5n);
    expect(await padOf({ eosTokenId: 6 })).toBe(6n);
    expect(await padOf({})).toBe(0n);
    await expect(padOf({ padTokenId: 200 })).rejects.toMatchObject({ code: 'token-out-of-range', args: { id: 200, vocabSize: 200 } });
  });

  test('--length truncates what would be too long', async () => {
    const prompt = ['x'.repeat(17)];
    await expect(assemble({ prompt })).rejects.toMatchObject({ code: 'prompt-too-long', args: { prompt: 'x'.repeat(17), tokens: 17, limit: 16 } });
    expect((await assemble({ prompt, length: '16' }))[0]).toMatchObject({ length: 16 });
    expect((await assemble({ prompt: ['x'.repeat(16)] }))[0]).toMatchObject({ length: 16 });
  });

  test('lengths beyond the model\'s positions', async () => {
    await expect(assemble({ prompt: ['a'], length: '17' })).rejects.toMatchObject({ code: 'bad-option', args: { option: '--length', value: '17' } });
    await expect(assemble({ random: '2x17' }, null)).rejects.toMatchObject({ code: 'bad-option', args: { option: '--random', value: '2x17' } });
  });

  test('a prompt without tokens, named by its beginning on one line', async () => {
    const silent: Tokenizer = { ...characters, encode: () => [] };
    await expect(assemble({ prompt: [`a\n${'😀'.repeat(99)}`] }, silent)).rejects.toMatchObject({
      code: 'prompt-no-tokens', args: { prompt: `a ${'😀'.repeat(58)}…` },
    });
  });
});

describe('against Hugging Face', () => {
  const prompts = 'fixtures/reference/prompts.txt';

  test.each(['left', 'right'] as const)('%s: ids, mask, positions and allowed keys', async (side) => {
    const source = await openModelSource('fixtures/qwen2-optimum');
    const [batch] = await assembleBatches(parseRunOptions({ model: 'm', prompts, padding: side }), await loadTokenizer(source), source.config);
    if (!batch) throw new Error('no batch');
    const reference = readReference(`fixtures/reference/${side}.safetensors`);
    expect(batch.inputIds).toEqual(reference('input_ids'));
    expect(batch.attentionMask).toEqual(reference('attention_mask'));
    expect(batch.positionIds).toEqual(reference('position_ids'));
    expect(allowedMask(batch, null)).toEqual(readReference('fixtures/reference/exact.safetensors')(`${side}.mask`));
  });
});

test('the built-in prompts fit the fixtures, and their lengths are clearly unequal', async () => {
  const source = await openModelSource('fixtures/qwen2-optimum');
  const [batch] = await assembleBatches(parseRunOptions({ model: 'm' }), await loadTokenizer(source), source.config);
  const lengths = BUILT_IN_PROMPTS.map((_, b) => batch?.attentionMask.subarray(b * batch.length, (b + 1) * batch.length).filter((bit) => bit === 1n).length ?? 0);
  expect(new Set(lengths).size).toBe(BUILT_IN_PROMPTS.length);
  expect(Math.max(...lengths) / Math.min(...lengths)).toBeGreaterThan(3);
});
