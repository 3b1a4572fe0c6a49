import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameStreams, withReference, type StreamDefaults } from '../../src/config/streams.js';
import { AttnDiffError } from '../../src/errors.js';
import { IMPLEMENTATIONS } from '../../src/types.js';

const DEFAULTS: StreamDefaults = {
  provider: 'cpu',
  precision: 'bf16',
  scoresPrecision: null,
  softmaxPrecision: 'fp32',
  flashBlock: 128,
  maskFill: 'min',
  alignment: 'bottom-right',
};

const settingsOf = (value: string, defaults = DEFAULTS): object =>
  nameStreams([value], defaults)[0]!.settings;

describe('an implementation with settings of its own', () => {
  it('keeps what the flags say where it says nothing, scores following the precision', () => {
    expect(nameStreams(['eager'], DEFAULTS)).toEqual([
      {
        label: 'eager',
        name: 'eager',
        hidden: false,
        settings: {
          provider: 'cpu',
          precision: 'bf16',
          scoresPrecision: 'bf16',
          softmaxPrecision: 'fp32',
          flashBlock: 128,
          maskFill: 'min',
          maskForm: null,
          alignment: 'bottom-right',
          kernel: null,
          deviation: null,
        },
      },
    ]);
    expect(settingsOf('eager', { ...DEFAULTS, scoresPrecision: 'fp32' })).toMatchObject({
      precision: 'bf16',
      scoresPrecision: 'fp32',
    });
  });

  it.each([
    ['eager:scores=fp32', { precision: 'bf16', scoresPrecision: 'fp32' }],
    ['eager:precision=fp32', { precision: 'fp32', scoresPrecision: 'fp32' }],
    [
      'eager:softmax=bf16:fill=-inf:mask=boolean',
      { softmaxPrecision: 'bf16', maskFill: '-inf', maskForm: 'boolean' },
    ],
    ['sdpa:mask=causal:align=top-left', { maskForm: 'causal', alignment: 'top-left' }],
    ['flash:block=64', { flashBlock: 64 }],
    ['eager:window=none', { deviation: { kind: 'window', to: null, slidingOnly: true } }],
    ['flash:window=5', { deviation: { kind: 'window', to: 5, slidingOnly: true } }],
  ])('%s', (value, settings) => {
    expect(settingsOf(value)).toMatchObject(settings);
    expect(nameStreams([value], DEFAULTS)[0]!.label).toBe(value);
  });

  it('takes precision=fp32 to mean fp32 scores too, whatever --scores-precision says', () => {
    expect(
      settingsOf('eager:precision=fp32', { ...DEFAULTS, scoresPrecision: 'bf16' }),
    ).toMatchObject({ scoresPrecision: 'fp32' });
  });

  it('is numbered from the second time on, by its whole label', () => {
    expect(
      nameStreams(['eager', 'eager:scores=fp32', 'eager', 'eager:scores=fp32'], DEFAULTS).map(
        ({ label }) => label,
      ),
    ).toEqual(['eager', 'eager:scores=fp32', 'eager#2', 'eager:scores=fp32#2']);
  });

  it('may be the reference', () => {
    expect(
      withReference(nameStreams(['flash'], DEFAULTS), 'eager:scores=fp32', DEFAULTS),
    ).toMatchObject({
      reference: 'eager:scores=fp32',
      implementations: [{ label: 'eager:scores=fp32', name: 'eager' }, { label: 'flash' }],
    });
  });

  it.each([
    'eager:',
    'eager:scores',
    'eager:scores=',
    'eager:scores=fp64',
    'eager:colour=red',
    'eager:block=64',
    'flash:scores=fp32',
    'flash:block=0',
    'flash:block=4097',
    'flash:block=1.5',
    'exact:precision=bf16',
    'original:fill=-inf',
    'eager:mask=causal',
    'eager:window=0',
    'eager:window=-1',
    'eager:fill=min:fill=-inf',
  ])('%s is refused', (value) => {
    expect(() => nameStreams([value], DEFAULTS)).toThrow(
      expect.objectContaining({ code: 'bad-option' }),
    );
  });

  it('any text is streams or an AttnDiffError', () => {
    const part = fc.oneof(
      fc.constantFrom(
        ...IMPLEMENTATIONS,
        'precision=bf16',
        'scores=fp32',
        'window=3',
        'mask=causal',
        'block=7',
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const outcome = ((): unknown => {
          try {
            return nameStreams([parts.join(':')], DEFAULTS).length;
          } catch (error) {
            return error;
          }
        })();
        expect(outcome === 1 || outcome instanceof AttnDiffError).toBe(true);
      }),
    );
  });
});
