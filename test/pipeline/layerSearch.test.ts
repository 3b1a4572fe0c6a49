import { describe, expect, it } from 'vitest';
import { streamOf } from '../../src/attention/settings.js';
import type { Place } from '../../src/pipeline/factors.js';
import { LayerSearch } from '../../src/pipeline/layerSearch.js';
import type { Distance, LayerTrials } from '../../src/pipeline/trials.js';
import type { AttentionSettings } from '../../src/types.js';
import { randomBatch } from '../support/explained.js';

const batch = randomBatch([24, 16], 'right');
const place: Place = {
  site: {
    layer: 3,
    scale: 0.25,
    maskSummary: { form: 'boolean', fill: null, causal: true, padding: true, window: null },
    qkv: { grouped: true } as Place['site']['qkv'],
  },
  batch,
  sizes: { heads: 4, kvHeads: 2, headDim: 16, hiddenSize: 64, vocabSize: 256 },
  config: { slidingWindow: null, rope: null },
};
const SQUARED_REFERENCE = 100;

/** What a layer gives whose variants are as far from the subject as `distance` says; the unchanged one is at `unchanged`. */
function trials(
  search: LayerSearch,
  distance: (settings: AttentionSettings) => number,
  unchanged = SQUARED_REFERENCE,
  more: Partial<LayerTrials> = {},
): LayerTrials {
  const of = (squaredDelta: number): Distance => ({ squaredDelta, squaredNorm: 400 });
  const distances = search.variants.map(
    ({ label, settings }) =>
      [label, of(label === 'unchanged' ? unchanged : distance(settings))] as const,
  );
  return {
    layer: 3,
    distances: new Map(distances),
    squaredReference: SQUARED_REFERENCE,
    relative: new Float64Array(batch.size * batch.length),
    heads: [0, 0, 0, 0],
    ...more,
  };
}
const searchOf = (): LayerSearch => new LayerSearch(streamOf('eager'), place, 1e-5);
const deviations = (search: LayerSearch): unknown[] =>
  search.variants.map(({ settings }) => settings.deviation);

describe('LayerSearch', () => {
  it('ends where a change explains all', () => {
    const search = searchOf();
    search.take(
      trials(search, ({ deviation }) =>
        deviation?.kind === 'mask-shift' && deviation.by === 1 ? 0 : 90,
      ),
    );
    expect(search.variants).toEqual([]);
    expect(search.isExplained()).toBe(true);
    expect(search.factors()[0]).toMatchObject({
      deviation: { kind: 'mask-shift', by: 1 },
      explained: 1,
    });
  });

  it('closes in on a window between those tried', () => {
    const search = searchOf();
    for (let round = 0; round < 4 && search.variants.length > 0; round++)
      search.take(
        trials(search, ({ deviation }) =>
          deviation?.kind === 'window' ? 6 * Math.abs((deviation.to ?? 24) - 13) : 99,
        ),
      );
    expect(search.factors()[0]!.deviation).toEqual({ kind: 'window', to: 13 });
    expect(search.variants).toEqual([]);
  });

  it('tries the window that the first query to part suggests, and orders of the heads that differ', () => {
    const search = searchOf();
    const relative = new Float64Array(batch.size * batch.length);
    relative[9] = 1;
    relative[12] = NaN;
    search.take(
      trials(search, () => 99, SQUARED_REFERENCE, { relative, heads: [0, 0.3, 1e-6, 0.4] }),
    );
    expect(deviations(search)).toEqual(
      expect.arrayContaining([
        { kind: 'window', to: 9 },
        { kind: 'window', to: 10 },
        { kind: 'head-order', order: [0, 3, 2, 1] },
      ]),
    );
  });

  it('tries the best with each other at last, and then gives up', () => {
    const search = searchOf();
    const rounds: number[] = [];
    for (let round = 0; round < 9 && search.variants.length > 0; round++) {
      rounds.push(search.variants.length);
      search.take(
        trials(
          search,
          ({ scoresPrecision, softmaxPrecision }) =>
            (scoresPrecision === 'bf16' ? 40 : 99) - (softmaxPrecision === 'fp16' ? 30 : 0),
        ),
      );
    }
    expect(rounds.length).toBeLessThan(9);
    expect(search.factors()[0]).toMatchObject({
      deviation: { kind: 'softmax-precision', to: 'fp16' },
      besides: { kind: 'scores-precision', to: 'bf16' },
      explained: 0.9,
    });
    expect(search.isExplained()).toBe(false);
  });

  it('tells no change of a stand-in that is nearer to the subject than to what it stands in for', () => {
    const search = searchOf();
    search.take(trials(search, () => 0, 49));
    expect(search.factors()).toEqual([]);
    expect(search.isExplained()).toBe(false);
    expect(search.variants).toEqual([]);
  });

  it('tells none where rounding explains what this pass saw', () => {
    const search = searchOf();
    search.take({ ...trials(search, () => 1e-9, 3e-8), squaredReference: 3e-8 });
    expect(search.factors()).toEqual([]);
  });

  it('tries what explained another layer', () => {
    const search = new LayerSearch(streamOf('eager'), place, 1e-5, [{ kind: 'window', to: 13 }]);
    expect(deviations(search)).toContainEqual({ kind: 'window', to: 13 });
    expect(deviations(searchOf())).not.toContainEqual({ kind: 'window', to: 13 });
  });

  it('takes the nearer of two variants of one change', () => {
    const search = new LayerSearch(
      streamOf('eager'),
      { ...place, batch: randomBatch([24, 9], 'right') },
      1e-5,
    );
    const flips = search.variants.filter(
      ({ settings }) => settings.deviation?.kind === 'padding-side',
    );
    expect(flips.map(({ name }) => name)).toEqual(['eager', 'sdpa']);
    const result = trials(search, () => 99);
    result.distances.set(flips[1]!.label, { squaredDelta: 1, squaredNorm: 400 });
    search.take(result);
    expect(search.factors()[0]).toMatchObject({
      deviation: { kind: 'padding-side' },
      explained: 0.99,
    });
  });
});
