import { describe, expect, it } from 'vitest';
import { streamOf } from '../../src/attention/settings.js';
import {
  atSite,
  changeable,
  changesOf,
  cured,
  variantsOf,
  type Computation,
  type Place,
} from '../../src/pipeline/factors.js';
import { randomBatch } from '../support/explained.js';

const sizes = { heads: 4, kvHeads: 2, headDim: 16, hiddenSize: 64, vocabSize: 256 };

function place(window: number | null = null, changes: Partial<Place> = {}): Place {
  const qkv = {
    kind: 'heads',
    query: 'q',
    key: 'k',
    value: 'v',
    grouped: true,
  } as unknown as Place['site']['qkv'];
  const maskSummary = { form: 'boolean', fill: null, causal: true, padding: true, window } as const;
  return {
    site: { layer: 0, scale: 0.25, maskSummary, qkv },
    batch: randomBatch([12, 7], 'left'),
    sizes,
    config: { slidingWindow: null, rope: { theta: 10_000, factor: 1 } },
    ...changes,
  };
}
const eager: Computation = streamOf('eager');
const of = (kind: string, computation: Computation, where: Place): unknown[] =>
  changesOf(computation, where)
    .filter((change) => change.kind === kind)
    .map((change) =>
      'to' in change
        ? change.to
        : 'by' in change
          ? change.by
          : 'part' in change
            ? change.part
            : change.kind,
    );

describe('changesOf', () => {
  it('has each kind of change', () => {
    const kinds = new Set(
      changesOf(eager, { ...place(6), batch: { ...randomBatch([12, 12], 'left'), past: 4 } }).map(
        ({ kind }) => kind,
      ),
    );
    expect([...kinds].toSorted()).toEqual([
      'alignment',
      'fill',
      'flush',
      'kv-mapping',
      'mask-form',
      'mask-ignored',
      'mask-shift',
      'positions',
      'precision',
      'scale',
      'scores-precision',
      'softmax-precision',
      'window',
    ]);
    expect(of('padding-side', eager, place())).toEqual(['padding-side']);
  });

  it('leaves out masks that leave the valid queries of this batch the same keys', () => {
    const full = { ...place(), batch: randomBatch([12, 12], 'right') };
    expect(of('padding-side', eager, full)).toEqual([]);
    expect(of('mask-ignored', eager, full)).toEqual(['causal']);
    expect(of('alignment', eager, full)).toEqual([]);
    expect(of('window', eager, full)).toEqual([1, 2, 4, 8]);
    // A causal query on right padding looks at no padding anyway.
    expect(of('mask-ignored', eager, { ...place(), batch: randomBatch([12, 7], 'right') })).toEqual(
      ['causal'],
    );
  });

  it("takes the site's window away and moves it by one, and tries that of config.json", () => {
    expect(of('window', eager, place(6))).toEqual(
      [null, 6, 5, 7, 1, 2, 4, 8].filter((window) => window !== 6),
    );
    expect(of('window', eager, place(null, { config: { slidingWindow: 9, rope: null } }))).toEqual([
      9, 8, 10, 1, 2, 4,
    ]);
  });

  it('makes no second change where the computation has one: only its own is taken back or moved', () => {
    const windowed: Computation = streamOf('eager', { deviation: { kind: 'window', to: null } });
    const kinds = new Set(changesOf(windowed, place(6)).map(({ kind }) => kind));
    expect([...kinds].toSorted()).toEqual([
      'fill',
      'mask-form',
      'precision',
      'scores-precision',
      'softmax-precision',
      'window',
    ]);
    expect(of('window', windowed, place(6))).toContain(6);
  });

  it('takes no notice of a window of its own where the site has none', () => {
    const windowed: Computation = streamOf('eager', {
      deviation: { kind: 'window', to: 4, slidingOnly: true },
    });
    expect(atSite(windowed, place().site).settings.deviation).toBeNull();
    expect(atSite(windowed, place(6).site)).toBe(windowed);
  });

  it('turns queries by what rows are padded, unless the rotary embedding is unknown', () => {
    expect(of('positions', eager, place())).toEqual([1, -1, 2, -2, -5]);
    expect(
      of('positions', eager, place(null, { config: { slidingWindow: null, rope: null } })),
    ).toEqual([]);
  });
});

describe('changeable', () => {
  const { batch } = place();
  it('is eager itself', () =>
    expect(
      changeable(streamOf('eager', { scoresPrecision: 'bf16' }), batch).settings.scoresPrecision,
    ).toBe('bf16'));
  it.each([
    [streamOf('exact'), 'eager:mask=boolean'],
    [streamOf('original'), 'eager:mask=boolean'],
    [
      streamOf('flash', { precision: 'bf16', scoresPrecision: 'bf16' }),
      'eager:precision=bf16:scores=fp32:mask=boolean',
    ],
    [streamOf('sdpa', { maskForm: 'additive' }), 'eager'],
  ])('else eager stands in, with what rounds nothing more: %o', (stream, label) =>
    expect(changeable(stream, batch).label).toBe(label),
  );
  it('keeps what the stream does otherwise', () => {
    const { settings } = changeable(
      streamOf('sdpa', { alignment: 'top-left', deviation: { kind: 'window', to: 3 } }),
      batch,
    );
    expect(settings).toMatchObject({
      alignment: 'top-left',
      deviation: { kind: 'window', to: 3 },
      maskForm: 'boolean',
    });
    expect(changeable(streamOf('sdpa', { maskForm: 'causal' }), batch).settings).toMatchObject({
      alignment: 'top-left',
      maskForm: 'boolean',
    });
  });
});

describe('variantsOf', () => {
  it('tries what writes zeros too where the changed mask leaves a valid query no key', () => {
    const flipped = (padding: 'left' | 'right') =>
      variantsOf(streamOf('eager', { deviation: { kind: 'padding-side' } }), {
        ...place(),
        batch: randomBatch([12, 5], padding),
      }).map(({ name }) => name);
    expect(flipped('left')).toEqual(['eager']);
    expect(flipped('right')).toEqual(['eager', 'sdpa']);
  });
});

describe('cured', () => {
  const computation: Computation = streamOf('eager', {
    scoresPrecision: 'bf16',
    precision: 'bf16',
    maskFill: '-inf',
  });
  it('turns a cure into what it cures', () => {
    expect(cured(computation, null, { kind: 'scores-precision', to: 'fp32' })).toEqual({
      kind: 'scores-precision',
      to: 'bf16',
    });
    expect(cured(computation, 8, { kind: 'window', to: null })).toEqual({ kind: 'window', to: 8 });
    expect(cured(computation, null, { kind: 'fill', to: 'min' })).toEqual({
      kind: 'fill',
      to: '-inf',
    });
    expect(cured(computation, null, { kind: 'scale', factor: 4 })).toEqual({
      kind: 'scale',
      factor: 0.25,
    });
    expect(cured(computation, null, { kind: 'head-order', order: [1, 2, 0] })).toEqual({
      kind: 'head-order',
      order: [2, 0, 1],
    });
    expect(cured(computation, null, { kind: 'mask-shift', by: 1 })).toEqual({
      kind: 'mask-shift',
      by: -1,
    });
  });
});
