import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseBenchOptions, type RawBenchOptions } from '../../src/config/index.js';
import { AttnDiffError } from '../../src/errors.js';

const parse = (raw: RawBenchOptions) => parseBenchOptions({ model: 'm', ...raw });
const labels = (raw: RawBenchOptions) => parse(raw).implementations.map(({ label }) => label);

describe('parseBenchOptions', () => {
  test('defaults', () => {
    const { implementations, ...rest } = parse({});
    expect(
      implementations.map(({ label, settings: { provider, precision } }) => [
        label,
        provider,
        precision,
      ]),
    ).toEqual(['original', 'eager', 'sdpa', 'flash'].map((name) => [name, 'cpu', 'fp32']));
    expect(rest).toEqual({
      model: 'm',
      dtype: null,
      baseline: 'original',
      lengths: [64, 256],
      batch: 1,
      repeat: 5,
      warmup: 1,
      timeout: null,
      format: 'text',
      output: null,
    });
  });

  test('everything given', () => {
    const { implementations, ...rest } = parse({
      dtype: 'fp16',
      impl: 'flash, original',
      provider: 'webgpu',
      precision: 'fp16',
      lengths: '512, 16',
      batch: '3',
      repeat: '9',
      warmup: '0',
      timeout: '2.5',
      format: 'json',
      output: 'o.json',
    });
    expect(
      implementations.map(({ label, settings: { provider, precision, scoresPrecision } }) => [
        label,
        provider,
        precision,
        scoresPrecision,
      ]),
    ).toEqual(['flash', 'original'].map((name) => [name, 'webgpu', 'fp16', 'fp16']));
    expect(rest).toEqual({
      model: 'm',
      dtype: 'fp16',
      baseline: 'original',
      lengths: [512, 16],
      batch: 3,
      repeat: 9,
      warmup: 0,
      timeout: 2.5,
      format: 'json',
      output: 'o.json',
    });
  });

  test('the baseline is the file on the provider asked for, and is measured even if it is not named', () => {
    expect(labels({ impl: 'eager,flash@webgpu:kernel=varlen' })).toEqual([
      'original',
      'eager',
      'flash@webgpu:kernel=varlen',
    ]);
    expect(labels({ impl: 'eager,original@webgpu' })).toEqual([
      'original',
      'eager',
      'original@webgpu',
    ]);
    expect(parse({ impl: 'eager,original@webgpu', provider: 'webgpu' })).toMatchObject({
      baseline: 'original@webgpu',
      implementations: [{ label: 'eager' }, { label: 'original@webgpu' }],
    });
    expect(labels({ impl: 'original,original' })).toEqual(['original', 'original#2']);
  });

  test.each<[RawBenchOptions, string]>([
    [{ model: '' }, '--model'],
    [{ impl: 'eager,' }, '--impl'],
    [{ provider: 'npu' }, '--provider'],
    [{ precision: 'int8' }, '--precision'],
    [{ lengths: '' }, '--lengths'],
    [{ lengths: '8,0' }, '--lengths'],
    [{ lengths: '8,16,8' }, '--lengths'],
    [{ batch: '0' }, '--batch'],
    [{ repeat: '0' }, '--repeat'],
    [{ warmup: '-1' }, '--warmup'],
    [{ timeout: '0' }, '--timeout'],
    [{ format: 'xml' }, '--format'],
    [{ output: '' }, '--output'],
  ])('%j is refused, naming %s', (raw, option) => {
    expect(() => parse(raw)).toThrow(
      expect.objectContaining({ code: 'bad-option', args: expect.objectContaining({ option }) }),
    );
  });

  test('without a model, that is what is missing', () => {
    expect(() => parseBenchOptions({})).toThrow(
      expect.objectContaining({
        args: expect.objectContaining({ option: '--model', value: null }),
      }),
    );
  });

  test('any text is a configuration or an AttnDiffError', () => {
    const option = fc.option(fc.oneof(fc.string(), fc.constantFrom('8', '8,16', 'eager', 'fp16')), {
      nil: undefined,
    });
    fc.assert(
      fc.property(
        fc.record({
          impl: option,
          lengths: option,
          batch: option,
          repeat: option,
          warmup: option,
          precision: option,
        }),
        (raw) => {
          const outcome = ((): unknown => {
            try {
              return parse(raw).lengths.length > 0;
            } catch (error) {
              return error;
            }
          })();
          expect(outcome === true || outcome instanceof AttnDiffError).toBe(true);
        },
      ),
    );
  });
});
