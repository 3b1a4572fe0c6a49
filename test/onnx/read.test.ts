import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttnDiffError } from '../../src/errors.js';
import { decodeModel, encodeModel, readModel } from '../../src/onnx/read.js';
import { FIXTURES, fixture } from '../support/fixtures.js';

describe('reading ONNX files', () => {
  it.each(FIXTURES)('%s is encoded to the bytes that it was decoded from', (name) => {
    const bytes = readFileSync(fixture(name, 'model.onnx'));
    expect(Buffer.compare(encodeModel(decodeModel(bytes, name)), bytes)).toBe(0);
  });

  it('keeps weights as views of the file’s bytes', () => {
    const bytes = new Uint8Array(readFileSync(fixture('qwen2-optimum', 'model.onnx')));
    const weight = decodeModel(bytes, 'm').graph!.initializer.find(
      ({ rawData }) => rawData.length > 1000,
    )!;
    expect(weight.rawData.buffer).toBe(bytes.buffer);
  });

  it('refuses every truncation with one error', () => {
    const bytes = readFileSync(fixture('qwen2-dynamo', 'model.onnx'));
    // Beyond this only the small fields behind the graph are cut, at whose borders the rest is a model still.
    const max = bytes.length - 64;
    fc.assert(
      fc.property(fc.integer({ min: 1, max }), (length) => {
        expect(() => decodeModel(bytes.subarray(0, length), 'cut.onnx')).toThrowError(
          expect.objectContaining({ code: 'model-not-onnx', exitCode: 3 }),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('refuses arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (bytes) => {
        expect(() => decodeModel(bytes, 'x')).toThrowError(AttnDiffError);
      }),
    );
  });

  it('tells a missing file from an unreadable one', async () => {
    await expect(readModel(fixture('no-such.onnx'))).rejects.toMatchObject({
      code: 'model-not-found',
    });
    await expect(readModel(fixture('qwen2-dynamo'))).rejects.toMatchObject({
      code: 'model-unreadable',
    });
  });
});
