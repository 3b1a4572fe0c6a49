import { writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { allowedMask, assembleBatches, PLAIN_MASK } from '../../src/batch/index.js';
import { BUILT_IN_PROMPTS } from '../../src/batch/builtIn.js';
import { parseRunOptions } from '../../src/config/index.js';
import type { RawRunOptions } from '../../src/config/index.js';
import type { Tokenizer } from '../../src/model/index.js';
import { loadTokenizer, openModelSource } from '../../src/model/index.js';
import { folderWith } from '../model/helpers.js';
import { readReference } from './reference.js';

const model = {
  vocabSize: 200,
  maxPositions: 16,
  isCausal: true,
  padTokenId: null,
  eosTokenId: null,
  heads: 4,
};
/** One token per character. */
const encode = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));
const encodeChat: Tokenizer['encodeChat'] = (messages) =>
  encode(messages.map(({ role, content }) => `${role[0]}:${String(content)};`).join(''));
const characters: Tokenizer = { encode, encodeChat, padTokenId: 7 };
const assemble = (raw: RawRunOptions, tokenizer: Tokenizer | null = characters, changes = {}) =>
  assembleBatches(parseRunOptions({ model: 'm', ...raw }), tokenizer, { ...model, ...changes });

describe('assembleBatches', () => {
  test('one batch per padding side, the same sequences in the same order', async () => {
    const [left, right, ...more] = await assemble({ prompt: ['abc', 'd'] });
    expect(more).toEqual([]);
    expect(left).toMatchObject({
      name: 'left',
      padding: 'left',
      source: '--prompt',
      size: 2,
      length: 3,
    });
    expect(right).toMatchObject({ name: 'right', padding: 'right' });
    expect(left?.inputIds).toEqual(BigInt64Array.of(97n, 98n, 99n, 7n, 7n, 100n));
    expect(right?.inputIds).toEqual(BigInt64Array.of(97n, 98n, 99n, 100n, 7n, 7n));
    expect((await assemble({ prompt: ['a'], padding: 'right' })).map(({ name }) => name)).toEqual([
      'right',
    ]);
  });

  test('names where the prompts come from', async () => {
    const path = `${await folderWith({ 'p.txt': 'ab\nc' })}/p.txt`;
    expect((await assemble({ prompts: path }))[0]).toMatchObject({ source: path, size: 2 });
    expect((await assemble({ random: '3x8' }, null))[0]).toMatchObject({
      source: 'random',
      size: 3,
      length: 8,
    });
    expect((await assemble({}, { ...characters, encode: () => [1] }))[0]).toMatchObject({
      source: 'built-in',
      size: BUILT_IN_PROMPTS.length,
    });
  });

  test('--chat puts each text through the template as one user message', async () => {
    const path = `${await folderWith({ 'p.txt': 'ab\nc' })}/p.txt`;
    const rows = async (raw: RawRunOptions) => {
      const [batch] = await assemble({ padding: 'right', ...raw });
      return {
        source: batch?.source,
        first: String.fromCharCode(
          ...[...(batch?.inputIds ?? [])].slice(0, batch?.length).map(Number),
        ),
      };
    };
    expect(await rows({ prompt: ['ab', 'c'], chat: true })).toEqual({
      source: '--prompt, chat',
      first: 'u:ab;',
    });
    expect(await rows({ prompts: path, chat: true })).toEqual({
      source: `${path}, chat`,
      first: 'u:ab;',
    });
    expect(
      (await assemble({ chat: true }, { ...characters, encodeChat: () => [1] }))[0]?.source,
    ).toBe('built-in, chat');
  });

  test('a conversation goes through the template without --chat, the texts beside it do not', async () => {
    const lines = [
      '{"messages":[{"role":"system","content":"x"},{"role":"user","content":"y"}]}',
      '{"text":"zz"}',
    ];
    const path = `${await folderWith({ 'p.jsonl': lines.join('\n') })}/p.jsonl`;
    const [batch] = await assemble({ prompts: path, padding: 'right' });
    expect(batch).toMatchObject({ source: `${path}, chat`, length: 8 });
    expect(String.fromCharCode(...[...(batch?.inputIds ?? [])].map(Number))).toBe(
      `s:x;u:y;zz${'\x07'.repeat(6)}`,
    );
    const long = `${await folderWith({ 'p.jsonl': '{"messages":[{"role":"user","content":"a question far too long"}]}' })}/p.jsonl`;
    await expect(assemble({ prompts: long })).rejects.toMatchObject({
      code: 'prompt-too-long',
      args: { prompt: 'a question far too long' },
    });
  });

  test('random prompts without a tokenizer pad with pad, eos, or 0', async () => {
    const padOf = async (changes: object) =>
      (await assemble({ random: '1x4', length: '5', padding: 'left' }, null, changes))[0]
        ?.inputIds[0];
    expect(await padOf({ padTokenId: 5, eosTokenId: 6 })).toBe(5n);
    expect(await padOf({ eosTokenId: 6 })).toBe(6n);
    expect(await padOf({})).toBe(0n);
    await expect(padOf({ padTokenId: 200 })).rejects.toMatchObject({
      code: 'token-out-of-range',
      args: { id: 200, vocabSize: 200 },
    });
  });

  test('--length truncates what would be too long', async () => {
    const prompt = ['x'.repeat(17)];
    await expect(assemble({ prompt })).rejects.toMatchObject({
      code: 'prompt-too-long',
      args: { prompt: 'x'.repeat(17), tokens: 17, limit: 16 },
    });
    expect((await assemble({ prompt, length: '16' }))[0]).toMatchObject({ length: 16 });
    expect((await assemble({ prompt: ['x'.repeat(16)] }))[0]).toMatchObject({ length: 16 });
  });

  test("lengths beyond the model's positions", async () => {
    await expect(assemble({ prompt: ['a'], length: '17' })).rejects.toMatchObject({
      code: 'bad-option',
      args: { option: '--length', value: '17' },
    });
    await expect(assemble({ random: '2x17' }, null)).rejects.toMatchObject({
      code: 'bad-option',
      args: { option: '--random', value: '2x17' },
    });
  });

  test('a prompt without tokens, named by its beginning on one line', async () => {
    const silent: Tokenizer = { ...characters, encode: () => [] };
    await expect(assemble({ prompt: [`a\n${'😀'.repeat(99)}`] }, silent)).rejects.toMatchObject({
      code: 'prompt-no-tokens',
      args: { prompt: `a ${'😀'.repeat(58)}…` },
    });
  });
});

describe('--pack', () => {
  test('rows of twice the longest prompt, at most the positions, or of --length', async () => {
    const prompt = ['abcd', 'e', 'fgh', 'ij'];
    const [left, right] = await assemble({ prompt, pack: true });
    expect(right).toMatchObject({ name: 'right', source: '--prompt', size: 2, length: 8 });
    expect(right?.documents).toEqual(
      Int32Array.of(0, 0, 0, 0, 1, 2, 2, 2, 0, 0, -1, -1, -1, -1, -1, -1),
    );
    expect(left?.documents).toEqual(
      Int32Array.of(0, 0, 0, 0, 1, 2, 2, 2, -1, -1, -1, -1, -1, -1, 0, 0),
    );
    expect((await assemble({ prompt: ['x'.repeat(9)], pack: true }))[0]).toMatchObject({
      length: 16,
    });
    expect((await assemble({ prompt, pack: true, length: '3' }))[1]?.documents).toEqual(
      Int32Array.of(0, 0, 0, 0, -1, -1, 0, 0, 0, 0, 0, -1),
    );
  });

  test('random rows are documents too', async () => {
    const [batch] = await assemble({ random: '6x8', pack: true, padding: 'right' }, null);
    expect(batch).toMatchObject({ source: 'random', length: 16 });
    expect(Math.max(...batch!.documents!)).toBeGreaterThan(0);
  });
});

describe('--past', () => {
  test('splits left-padded rows', async () => {
    const batches = await assemble({ prompt: ['abcdef', 'ghij'], past: '3' });
    expect(batches.map(({ name, past }) => [name, past])).toEqual([['left', 3]]);
    expect((await assemble({ prompt: ['abcdef', 'ghij'], past: '5' }))[0]?.past).toBe(5);
    expect(
      (await assemble({ prompt: ['abcdef', 'ghij'], past: '2', length: '4' }))[0],
    ).toMatchObject({ past: 2, length: 4 });
  });

  test.each([
    [['abcdef', 'ghij'], '2', 'a number from 3 to 5, or --length 4, so that every row is full'],
    [['abcdefgh', 'ij'], '4', '7'],
    [['abcdef', 'ghij'], '6', 'a number from 3 to 5'],
    [['abcdef', 'g'], '3', 'it with prompts of at least two tokens each'],
    [['a'], '1', 'it with prompts of at least two tokens each'],
  ])('%o cannot be split at %s', async (prompt, past, remedy) => {
    await expect(assemble({ prompt, past })).rejects.toMatchObject({
      code: 'bad-option',
      args: { option: '--past', value: past, problem: expect.stringMatching(/batch left/), remedy },
    });
  });

  test('every split that is offered works, and no other', async () => {
    const prompt = ['abcdefg', 'hijk', 'lmnop'];
    const works = await Promise.all(
      Array.from({ length: 9 }, (_, i) =>
        assemble({ prompt, past: `${i + 1}` }).then(
          () => i + 1,
          () => null,
        ),
      ),
    );
    expect(works.filter((past) => past !== null)).toEqual([4, 5, 6]);
  });
});

describe('--mask', () => {
  /** A boolean mask as numpy writes it, version 1. */
  const maskFile = async (dims: number[], bits: number[]): Promise<string> => {
    const path = `${await folderWith({})}/m.npy`;
    const header = `{'descr': '|b1', 'fortran_order': False, 'shape': (${dims.join(', ')}), }`;
    await writeFile(
      path,
      Buffer.concat([
        Buffer.from('\u0093NUMPY\u0001\u0000', 'latin1'),
        Buffer.from(Uint16Array.of(header.length).buffer),
        Buffer.from(header),
        Uint8Array.from(bits),
      ]),
    );
    return path;
  };

  test('replaces the mask, on one side, and makes the kinds', async () => {
    const mask = await maskFile([2, 1, 2, 2], [0, 0, 1, 1, 1, 0, 0, 1]);
    const batches = await assemble({ prompt: ['ab', 'c'], mask });
    expect(batches).toMatchObject([
      {
        name: 'right',
        mask: { source: mask, dims: [2, 1, 2, 2] },
        kinds: ['fullyMasked', 'valid', 'valid', 'padding'],
      },
    ]);
    expect((await assemble({ prompt: ['ab', 'c'], mask, padding: 'left' }))[0]).toMatchObject({
      name: 'left',
      kinds: ['fullyMasked', 'valid', 'padding', 'valid'],
    });
  });

  test('one that does not fit, or is none', async () => {
    const mask = await maskFile(
      [1, 3, 2, 2],
      Array.from({ length: 12 }, () => 1),
    );
    await expect(assemble({ prompt: ['ab', 'c'], mask })).rejects.toMatchObject({
      code: 'mask-shape',
      args: { path: mask, found: '[1, 3, 2, 2]', needed: '[1 or 2, 1 or 4, 2, 2]', batch: 'right' },
    });
    await expect(assemble({ prompt: ['ab'], mask: 'nowhere.npy' })).rejects.toMatchObject({
      code: 'mask-unreadable',
    });
  });
});

describe('--data', () => {
  const lines = async (texts: string[]): Promise<string> =>
    `${await folderWith({ 'd.jsonl': texts.map((text) => JSON.stringify({ text })).join('\n') })}/d.jsonl`;

  test('lines in groups, each as long as its longest row', async () => {
    const data = await lines(['abc', 'd', 'e', 'fg', 'h']);
    const batches = await assemble({ data, batchSize: '2' });
    expect(
      batches.map(({ name, padding, source, size, length }) => [
        name,
        padding,
        source,
        size,
        length,
      ]),
    ).toEqual([
      ['1', 'right', data, 2, 3],
      ['2', 'right', data, 2, 2],
      ['3', 'right', data, 1, 1],
    ]);
    expect(batches[1]).toMatchObject({ inputIds: BigInt64Array.of(101n, 7n, 102n, 103n) });
    expect(
      (await assemble({ data, batchSize: '2', length: '4', padding: 'left' })).map(
        ({ length, padding }) => [length, padding],
      ),
    ).toEqual([
      [4, 'left'],
      [4, 'left'],
      [4, 'left'],
    ]);
    expect((await assemble({ data })).map(({ name, size }) => [name, size])).toEqual([['1', 5]]);
  });

  test('packed rows in groups, all of one length', async () => {
    const batches = await assemble({
      data: await lines(['abc', 'de', 'fgh', 'i', 'jkl', 'mno']),
      batchSize: '2',
      pack: true,
    });
    expect(batches.map(({ name, size, length }) => [name, size, length])).toEqual([
      ['1', 2, 6],
      ['2', 1, 6],
    ]);
    expect(batches[0]?.documents).toEqual(Int32Array.of(0, 0, 0, 1, 1, -1, 0, 0, 0, 1, -1, -1));
    expect(batches[1]?.documents).toEqual(Int32Array.of(0, 0, 0, 1, 1, 1));
  });

  test('with a past, every batch must take the split', async () => {
    const data = await lines(['abcd', 'efg', 'hi', 'j']);
    expect(
      await assemble({ data, batchSize: '1', past: '1', length: '2' }).catch(
        (error: unknown) => error,
      ),
    ).toMatchObject({
      code: 'bad-option',
      args: { option: '--past', problem: expect.stringMatching(/batch 4/) },
    });
    const batches = await assemble({
      data: await lines(['abcd', 'efg']),
      batchSize: '1',
      past: '2',
      length: '3',
    });
    expect(batches.map(({ name, padding, past }) => [name, padding, past])).toEqual([
      ['1', 'left', 2],
      ['2', 'left', 2],
    ]);
  });
});

describe('against Hugging Face', () => {
  const prompts = 'fixtures/reference/prompts.txt';

  test.each(['left', 'right'] as const)(
    '%s: ids, mask, positions and allowed keys',
    async (side) => {
      const source = await openModelSource('fixtures/qwen2-optimum');
      const [batch] = await assembleBatches(
        parseRunOptions({ model: 'm', prompts, padding: side }),
        await loadTokenizer(source),
        source.config,
      );
      if (!batch) throw new Error('no batch');
      const reference = readReference(`fixtures/reference/${side}.safetensors`);
      expect(batch.inputIds).toEqual(reference('input_ids'));
      expect(batch.attentionMask).toEqual(reference('attention_mask'));
      expect(batch.positionIds).toEqual(reference('position_ids'));
      expect(allowedMask(batch, PLAIN_MASK).data).toEqual(
        readReference('fixtures/reference/exact.safetensors')(`${side}.mask`),
      );
    },
  );
});

test('the built-in prompts fit the fixtures, and their lengths are clearly unequal', async () => {
  const source = await openModelSource('fixtures/qwen2-optimum');
  const [batch] = await assembleBatches(
    parseRunOptions({ model: 'm' }),
    await loadTokenizer(source),
    source.config,
  );
  const lengths = BUILT_IN_PROMPTS.map(
    (_, b) =>
      batch?.attentionMask
        .subarray(b * batch.length, (b + 1) * batch.length)
        .filter((bit) => bit === 1n).length ?? 0,
  );
  expect(new Set(lengths).size).toBe(BUILT_IN_PROMPTS.length);
  expect(Math.max(...lengths) / Math.min(...lengths)).toBeGreaterThan(3);
});
