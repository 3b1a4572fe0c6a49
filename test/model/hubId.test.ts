import { describe, expect, test } from 'vitest';
import { parseHubId } from '../../src/model/hubId.js';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

describe('parseHubId', () => {
  test.each([
    ['onnx-community/Qwen2.5-0.5B-Instruct', 'onnx-community/Qwen2.5-0.5B-Instruct', 'main'],
    ['hf:owner/name', 'owner/name', 'main'],
    ['hf://owner/name', 'owner/name', 'main'],
    ['owner/name@v1.0', 'owner/name', 'v1.0'],
    ['owner/name@refs/pr/1', 'owner/name', 'refs/pr/1'],
    [`hf:owner/name@${COMMIT}`, 'owner/name', COMMIT],
    ['hf:owner/name.onnx', 'owner/name.onnx', 'main'],
  ])('%s', (text, repo, revision) => expect(parseHubId(text)).toEqual({ repo, revision }));

  test.each([
    '',
    'name',
    'model.onnx',
    './owner/name',
    '../owner',
    '/owner/name',
    '~/name',
    'owner/name/',
    'a/b/c',
    'owner/model.onnx',
    'owner\\name',
    'C:/name',
    'owner/na me',
    'owner/-name',
    'owner/name.',
    'owner/a--b',
    'owner/a..b',
    'owner/name.git',
    '.hidden/name',
    'owner/name@',
    'owner/name@../x',
    'owner/name@a b',
  ])('a path: %j', (text) => expect(parseHubId(text)).toBeNull());

  test.each([
    'hf:',
    'hf:name',
    'hf:a/b/c',
    'hf:./x',
    'hf:owner/name@',
    'hf:owner/name@a//b',
    'hf:owner/name@/x',
    'hf:owner/name@.x',
    'hf:o/n@a..b',
  ])('neither: %j', (text) => {
    expect(() => parseHubId(text)).toThrow(
      expect.objectContaining({ code: 'bad-option', exitCode: 2 }),
    );
  });
});
