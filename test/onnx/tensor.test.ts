import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteLength, elementCount, makeTensor, numericValues } from '../../src/onnx/tensor.js';

describe('tensors', () => {
  it('reads back the values that it was made of', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noDefaultInfinity: false })), (values) => {
        expect(
          numericValues(makeTensor('t', 'float64', values, [values.length]))?.every((value, i) =>
            Object.is(value, values[i]),
          ),
        ).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.integer()), (values) => {
        expect(numericValues(makeTensor('t', 'int64', values, [values.length])) ?? []).toEqual(
          values,
        );
      }),
    );
  });

  it('counts elements and bytes', () => {
    const tensor = makeTensor('t', 'float32', [1, 2, 3, 4, 5, 6], [2, 3]);
    expect([elementCount(tensor), byteLength(tensor)]).toEqual([6, 24]);
    expect(elementCount(makeTensor('s', 'float32', [1], []))).toBe(1);
  });
});
