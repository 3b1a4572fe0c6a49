import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePrompts } from '../src/batch/prompts.js';
import { parseSafetensors } from '../src/batch/safetensors.js';
import { checkNesting, parseBoundedJson } from '../src/boundedJson.js';
import { parseJson, parseYaml } from '../src/config/parseText.js';
import { readHistory, readReport, readSaved } from '../src/report/index.js';

const DEEP = 50_000;
const LISTS = '['.repeat(DEEP) + ']'.repeat(DEEP);
const OBJECTS = `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`;

describe('parseBoundedJson', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => {
        expect(parseBoundedJson(text)).toEqual(JSON.parse(text));
      }),
    );
    expect(parseBoundedJson(`["${'[{'.repeat(1000)}", "\\"[", "\\\\"]`)).toHaveLength(3);
    expect(() =>
      checkNesting(`// ${'['.repeat(1000)} don't\n/* ${'{'.repeat(1000)} */ {}`),
    ).not.toThrow();
  });

  it.each([
    ['lists', LISTS],
    ['objects', OBJECTS],
  ])('refuses %s that nest too deep', (_, text) => {
    expect(() => parseBoundedJson(text)).toThrow(SyntaxError);
  });
});

describe('50,000 levels of anything', () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const safetensors = (header: string): Uint8Array => {
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
    return new Uint8Array([...length, ...bytes(header)]);
  };
  it.each<[string, string, () => unknown]>([
    [
      'a prompt',
      'prompts-bad-jsonl',
      () => parsePrompts(bytes(`{"text":"a","x":${LISTS}}`), 'p.jsonl'),
    ],
    [
      'a report',
      'report-unreadable',
      () => readReport(`{"schema":"attn-diff/report/v1","rows":${LISTS}}`, 'r.json'),
    ],
    [
      'a baseline',
      'report-unreadable',
      () => readSaved(`{"schema":"attn-diff/baseline/v1","rows":${LISTS}}`, 'b.json'),
    ],
    [
      'a history',
      'history-unreadable',
      () => readHistory(`{"schema":"attn-diff/history-run/v1","x":${LISTS}}\n`, 'h.jsonl'),
    ],
    ['a configuration', 'config-file-invalid', () => parseJson(OBJECTS, 'c.json', [])],
    [
      'a configuration in YAML, lists in brackets',
      'config-file-invalid',
      () => parseYaml('['.repeat(DEEP), 'c.yaml'),
    ],
    [
      'a configuration in YAML, lists in lines',
      'config-file-invalid',
      () => parseYaml(`${'- '.repeat(DEEP)}a`, 'c.yaml'),
    ],
    [
      'a configuration in YAML, keys',
      'config-file-invalid',
      () => parseYaml('? '.repeat(DEEP), 'c.yaml'),
    ],
    [
      'a configuration in YAML, objects in braces',
      'config-file-invalid',
      () => parseYaml(`a: ${'{a: '.repeat(DEEP)}`, 'c.yaml'),
    ],
    [
      'a mask',
      'mask-invalid',
      () => parseSafetensors(safetensors(`{"m":${LISTS}}`), ['mask'], 'm.safetensors'),
    ],
  ])('of %s are an error of exit code 2', (_, code, read) => {
    expect(read).toThrow(expect.objectContaining({ code, exitCode: 2 }));
  });
});
