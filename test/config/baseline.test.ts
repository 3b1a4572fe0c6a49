import { describe, expect, it } from 'vitest';
import { parseRunOptions, type RawRunOptions } from '../../src/config/index.js';
import type { RunConfig } from '../../src/config/index.js';

const parse = (options: Partial<RawRunOptions>): RunConfig =>
  parseRunOptions({ model: 'm', ...options });

describe('--baseline', () => {
  it('is none unless asked for', () => {
    expect(parse({})).toMatchObject({ baseline: null, saveBaseline: null });
  });

  it.each([
    [undefined, 1.5],
    ['1.5x', 1.5],
    ['2', 2],
    ['1e1X', 10],
    ['0.5x', 0.5],
  ])('with --max-regression %s allows %s times', (maxRegression, factor) => {
    expect(parse({ baseline: 'b.json', maxRegression }).baseline).toEqual({
      path: 'b.json',
      factor,
      allow: [],
    });
  });

  it('takes the fields that may differ', () => {
    expect(parse({ baseline: 'b.json', allow: 'model, cpu' }).baseline?.allow).toEqual([
      'model',
      'cpu',
    ]);
  });

  it.each<[Partial<RawRunOptions>, object]>([
    [
      { baseline: 'b.json', maxRegression: '0x' },
      { option: '--max-regression', value: '0x', problem: expect.stringContaining('above 0') },
    ],
    [{ baseline: 'b.json', maxRegression: '-1' }, { option: '--max-regression' }],
    [
      { baseline: 'b.json', maxRegression: '50%' },
      { option: '--max-regression', problem: 'it is not a number' },
    ],
    [{ baseline: 'b.json', maxRegression: 'x' }, { option: '--max-regression' }],
    [{ baseline: 'b.json', maxRegression: '1e999' }, { option: '--max-regression' }],
    [
      { baseline: 'b.json', allow: 'model,colour' },
      { option: '--allow', value: 'model,colour', remedy: expect.stringContaining('onnxruntime') },
    ],
    [{ baseline: 'b.json', allow: '' }, { option: '--allow' }],
    [{ baseline: '' }, { option: '--baseline' }],
    [
      { maxRegression: '2x' },
      { option: '--max-regression', value: '2x', remedy: expect.stringContaining('--baseline') },
    ],
    [{ allow: 'cpu' }, { option: '--allow', value: 'cpu' }],
    [
      { saveBaseline: 'b.json', output: 'b.json' },
      { option: '--save-baseline', value: 'b.json' },
    ],
    [{ saveBaseline: 'b.json', report: ['json=b.json'] }, { option: '--save-baseline' }],
  ])('%j is refused', (options, args) => {
    expect(() => parse(options)).toThrow(
      expect.objectContaining({
        code: 'bad-option',
        args: expect.objectContaining(args) as unknown,
      }) as Error,
    );
  });

  it('is part of the command that makes the report, and saving is not', () => {
    expect(
      parse({ baseline: 'b.json', maxRegression: '2x', allow: 'cpu', saveBaseline: 'b.json' })
        .command,
    ).toEqual([
      'run',
      '--model',
      'm',
      '--baseline',
      'b.json',
      '--max-regression',
      '2x',
      '--allow',
      'cpu',
    ]);
  });
});
