import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { suggestion } from '../../src/config/suggestion.js';

const WORDS = [
  'impl',
  'padding',
  'precision',
  'maxAbs',
  'minCosine',
  'maxRatio',
  'budgets',
  'scoresPrecision',
];

describe('what is likely meant', () => {
  it.each([
    ['max-abs', 'maxAbs'],
    ['MAX_ABS', 'maxAbs'],
    ['padidng', 'padding'],
    ['pading', 'padding'],
    ['paddings', 'padding'],
    ['bugdets', 'budgets'],
    ['precison', 'precision'],
    ['imp', 'impl'],
    ['threshold', null],
    ['m', null],
    ['', null],
  ])('by %j is %j', (word, meant) => expect(suggestion(word, WORDS)).toBe(meant));

  it('is found where one letter is wrong, whichever it is', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...WORDS.filter(({ length }) => length > 5)),
        fc.nat(),
        fc.stringMatching(/^[a-z]$/),
        (word, at, letter) => {
          const index = at % word.length;
          expect(suggestion(word.slice(0, index) + letter + word.slice(index + 1), WORDS)).toBe(
            word,
          );
          expect(suggestion(word.slice(0, index) + word.slice(index + 1), WORDS)).toBe(word);
        },
      ),
    );
  });
});
