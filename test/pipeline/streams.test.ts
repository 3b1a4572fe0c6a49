import { describe, expect, it } from 'vitest';
import type { TensorData, TokenKind } from '../../src/types.js';
import { capture, relativeL2 } from '../support/capture.js';
import { FIXTURES, fixture, reference } from '../support/fixtures.js';

/** Attention rows ([B,H,S,D]) of the tokens of one kind, flattened. */
function rows({ dims, data }: TensorData, kinds: readonly TokenKind[], kind: TokenKind): number[] {
  const [, heads, length, headDim] = dims as [number, number, number, number];
  return Array.from(data, Number).filter(
    (_, i) =>
      kinds[
        Math.floor(i / (heads * length * headDim)) * length + (Math.floor(i / headDim) % length)
      ] === kind,
  );
}

describe.each(FIXTURES)('%s', (name) => {
  it('flash writes exact zeros on padding, eager does not, and they are not the same computation', async () => {
    for (const [side, kind] of [
      ['left', 'fullyMasked'],
      ['right', 'padding'],
    ] as const) {
      const { batch } = reference(side);
      const run = await capture(fixture(name), batch, ['eager', 'flash']);
      for (const layer of [0, 3]) {
        const flash = run.tensor('attention', layer, 'flash');
        const eager = run.tensor('attention', layer, 'eager');
        expect(rows(flash, batch.kinds, kind).every((x) => x === 0)).toBe(true);
        expect(rows(eager, batch.kinds, kind).some((x) => x !== 0)).toBe(true);
        expect(rows(flash, batch.kinds, 'valid')).not.toEqual(rows(eager, batch.kinds, 'valid'));
      }
    }
  });

  it.each(['eager', 'sdpa', 'flash'] as const)(
    '%s gives the same logits for valid tokens whichever side is padded',
    async (implementation) => {
      const [left, right] = [reference('left').batch, reference('right').batch];
      const logits = await Promise.all(
        [left, right].map(async (batch) =>
          (await capture(fixture(name), batch, [implementation])).tensor(
            'logits',
            null,
            implementation,
          ),
        ),
      );
      const width = logits[0]!.dims[2]!;
      const valid = [left, right].map(({ kinds }, i) =>
        Array.from(logits[i]!.data, Number).filter(
          (_, j) => kinds[Math.floor(j / width)] === 'valid',
        ),
      );
      const shape = [1, valid[0]!.length / width, width];
      expect(
        relativeL2(
          { type: 'float32', dims: shape, data: Float32Array.from(valid[0]!) },
          { shape, data: valid[1]! },
          () => true,
        ),
      ).toBeLessThanOrEqual(1e-4);
    },
  );
});

describe('the −inf mask without a guard', () => {
  it('is NaN on fully masked rows of layer 0 and reaches valid rows in layer 1', async () => {
    const { batch } = reference('left');
    const run = await capture(fixture('qwen2-eager-inf'), batch, ['eager', 'original']);
    const isNan = (layer: number, stream: string, kind: TokenKind): boolean =>
      rows(run.tensor('attention', layer, stream), batch.kinds, kind).some(Number.isNaN);
    expect([
      isNan(0, 'original', 'fullyMasked'),
      isNan(0, 'original', 'valid'),
      isNan(1, 'original', 'valid'),
    ]).toEqual([true, false, true]);
    expect(
      [0, 1, 2, 3].some(
        (layer) => isNan(layer, 'eager', 'valid') || isNan(layer, 'eager', 'fullyMasked'),
      ),
    ).toBe(false);
  });
});
