import { expect, test } from 'vitest';
import { readJson } from '../../src/model/json.js';
import { folderWith } from './helpers.js';

const read = async (text: string) => readJson(`${await folderWith({ 'a.json': text })}/a.json`);

test('numbers that only Python writes; text that looks like them is left alone', async () => {
  expect(
    await read('{"a": NaN, "b": [Infinity, -Infinity], "NaN": "a \\" NaN, -Infinity"}'),
  ).toEqual({
    a: null,
    b: [Infinity, -Infinity],
    NaN: 'a " NaN, -Infinity',
  });
});

test('what is broken stays broken', async () => {
  await expect(read('{"a": NaN')).rejects.toThrow(SyntaxError);
  await expect(read('{"a": nan}')).rejects.toThrow(SyntaxError);
});
