import { describe, expect, it } from 'vitest';
import {
  parseHistoryOptions,
  parseMergeOptions,
  parseRunOptions,
  type RawRunOptions,
  type RunConfig,
} from '../../src/config/index.js';

const parse = (options: Partial<RawRunOptions>): RunConfig =>
  parseRunOptions({ model: 'm', ...options });

describe('--history', () => {
  it('is none unless asked for, and may bring a label', () => {
    expect(parse({}).history).toBeNull();
    expect(parse({ history: 'h.jsonl' }).history).toEqual({ path: 'h.jsonl', label: null });
    expect(parse({ history: 'h.jsonl', label: 'step 1000' }).history).toEqual({
      path: 'h.jsonl',
      label: 'step 1000',
    });
    expect(parseMergeOptions(['a.json'], { history: 'h.jsonl' }).history).toEqual({
      path: 'h.jsonl',
      label: null,
    });
  });

  it('is no part of the command that makes the report', () => {
    expect(parse({ history: 'h.jsonl', label: 'x' }).command).toEqual(['run', '--model', 'm']);
  });

  it.each<[Partial<RawRunOptions>, object]>([
    [
      { label: 'x' },
      { option: '--label', value: 'x', remedy: expect.stringContaining('--history') },
    ],
    [{ history: '' }, { option: '--history' }],
    [{ history: 'h', label: '' }, { option: '--label' }],
    [
      { history: 'h', label: 'a\nb' },
      { option: '--label', problem: expect.stringContaining('line end') },
    ],
    [{ history: 'h', label: 'x'.repeat(201) }, { option: '--label' }],
    [
      { history: 'h', output: 'h' },
      { option: '--history', value: 'h' },
    ],
    [
      { history: 'h', report: ['json=h'] },
      { option: '--history', value: 'h' },
    ],
    [
      { history: 'h', saveBaseline: 'h' },
      { option: '--history', value: 'h' },
    ],
    [
      { history: 'h', shard: '1/2' },
      { option: '--history', remedy: expect.stringContaining('attn-diff merge') },
    ],
  ])('%j is refused', (options, args) => {
    expect(() => parse(options)).toThrow(
      expect.objectContaining({
        code: 'bad-option',
        args: expect.objectContaining(args) as unknown,
      }) as Error,
    );
  });
});

describe('attn-diff history', () => {
  it('has defaults, and takes lists', () => {
    expect(parseHistoryOptions({})).toEqual({
      format: 'text',
      metric: ['local', 'delta-loss'],
      last: null,
      output: null,
    });
    expect(parseHistoryOptions({ metric: 'kl, headroom', last: '3' })).toMatchObject({
      metric: ['kl', 'headroom'],
      last: 3,
    });
  });

  it.each([
    [{ metric: 'kl,kl' }, '--metric'],
    [{ metric: '' }, '--metric'],
    [{ metric: 'KL' }, '--metric'],
    [{ last: '0' }, '--last'],
    [{ last: '-1' }, '--last'],
    [{ format: 'html' }, '--format'],
    [{ output: '' }, '--output'],
  ])('%j is refused', (options, option) => {
    expect(() => parseHistoryOptions(options)).toThrow(
      expect.objectContaining({
        code: 'bad-option',
        args: expect.objectContaining({ option }) as unknown,
      }) as Error,
    );
  });
});
