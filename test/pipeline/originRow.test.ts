import { describe, expect, it } from 'vitest';
import { rowOrigin, type RowStep } from '../../src/pipeline/originRow.js';

type Rows = Partial<Record<RowStep['step'], number[]>>;

/** A row of three keys that is finite all the way, but for what is given. */
function steps(rows: Rows): RowStep[] {
  const finite: Record<RowStep['step'], number[]> = {
    scores: [8, 4, 2],
    scaled: [2, 1, 0.5],
    masked: [2, 1, -Infinity],
    probabilities: [0.7, 0.3, 0],
    output: [1, -1],
  };
  return (Object.keys(finite) as RowStep['step'][]).map((step) => ({
    step,
    values: rows[step] ?? finite[step],
    largest: 8,
    node: null,
  }));
}

const NAN = [NaN, NaN, NaN];
const MASKED = [-Infinity, -Infinity, -Infinity];
const isAllowed = (key: number): boolean => key < 2;
const noneAllowed = (): boolean => false;

describe('the origin in a row of attention', () => {
  it('is none where all is finite but for the mask', () => {
    expect(rowOrigin(steps({}), isAllowed)).toBeNull();
  });

  it.each<[string, Rows, object]>([
    [
      'an overflow of QKᵀ',
      {
        scores: [8, Infinity, 2],
        scaled: [2, Infinity, 0.5],
        masked: [2, Infinity, -Infinity],
        probabilities: NAN,
        output: [NaN, NaN],
      },
      { step: 'scores', kind: 'overflow', value: 'inf', key: 1 },
    ],
    [
      'an overflow that only the scale brings',
      {
        scaled: [2, Infinity, 0.5],
        masked: [2, Infinity, -Infinity],
        probabilities: NAN,
        output: [NaN, NaN],
      },
      { step: 'scaled', kind: 'overflow', value: 'inf', key: 1 },
    ],
    [
      'an overflow that only the mask brings',
      { masked: [2, Infinity, -Infinity], probabilities: NAN, output: [NaN, NaN] },
      { step: 'masked', kind: 'overflow', value: 'inf', key: 1 },
    ],
    [
      '∞ − ∞ inside the product',
      {
        scores: [NaN, 4, 2],
        scaled: [NaN, 1, 0.5],
        masked: [NaN, 1, -Infinity],
        probabilities: NAN,
        output: [NaN, NaN],
      },
      { step: 'scores', kind: 'invalid', value: 'nan', key: 0 },
    ],
    [
      'an overflow at a masked key',
      {
        scores: [8, 4, Infinity],
        scaled: [2, 1, Infinity],
        masked: [2, 1, NaN],
        probabilities: NAN,
        output: [NaN, NaN],
      },
      { step: 'scores', kind: 'overflow', value: 'inf', key: 2 },
    ],
    [
      'one at a masked key that replacing it healed, beside another',
      {
        scores: [Infinity, 4, Infinity],
        scaled: [Infinity, 1, Infinity],
        masked: [Infinity, 1, -Infinity],
        probabilities: NAN,
        output: [NaN, NaN],
      },
      { step: 'scores', kind: 'overflow', key: 0 },
    ],
    [
      'an overflow to −Infinity of all allowed keys',
      {
        scores: [-Infinity, -Infinity, 2],
        scaled: [-Infinity, -Infinity, 0.5],
        masked: MASKED,
        probabilities: NAN,
        output: [NaN, NaN],
      },
      { step: 'scores', kind: 'overflow', value: '-inf', key: 0 },
    ],
    [
      'a mask that itself is beyond the range',
      { masked: MASKED, probabilities: NAN, output: [NaN, NaN] },
      { step: 'masked', kind: 'overflow', value: '-inf', key: 0 },
    ],
    [
      'a softmax that fails on finite scores',
      { probabilities: [0.5, NaN, 0], output: [NaN, NaN] },
      { step: 'probabilities', kind: 'invalid', value: 'nan', key: 1 },
    ],
    [
      'a sum that overflows',
      { probabilities: [Infinity, 0, 0], output: [NaN, NaN] },
      { step: 'probabilities', kind: 'overflow', value: 'inf', key: 0 },
    ],
    [
      'an overflow of PV',
      { output: [1, -Infinity] },
      { step: 'output', kind: 'overflow', value: '-inf', key: null },
    ],
  ])('is %s', (_, rows, expected) => {
    expect(rowOrigin(steps(rows), isAllowed)).toMatchObject({
      ...expected,
      largest: 8,
      node: null,
    });
  });

  it('is the mask where no key is allowed, whatever the scores are', () => {
    const row = { masked: MASKED, probabilities: NAN, output: [NaN, NaN] };
    expect(rowOrigin(steps(row), noneAllowed)).toMatchObject({
      step: 'probabilities',
      kind: 'fully-masked',
      value: 'nan',
      key: 0,
    });
    expect(
      rowOrigin(
        steps({ ...row, scores: [8, -Infinity, 2], scaled: [2, -Infinity, 0.5] }),
        noneAllowed,
      ),
    ).toMatchObject({ kind: 'fully-masked' });
  });
});
