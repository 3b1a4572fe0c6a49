import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { lateAxes } from '../../src/attention/lateAxes.js';
import { buildProbe } from '../../src/attention/probes.js';
import type { GraphBuilder } from '../../src/onnx/builder.js';
import { encodeModel } from '../../src/onnx/read.js';
import type { TensorData } from '../../src/types.js';
import { compute, tinyModel } from '../support/tinyGraph.js';

const batch = (size: number): TensorData => ({
  type: 'float32',
  dims: [size, 1, 3, 2],
  data: Float32Array.from({ length: 6 * size }, (_, i) => i),
});

/** The dims that ONNX Runtime knows a result to have before it runs; none where it does not know the rank. */
async function knownDims(
  build: (builder: GraphBuilder) => string,
): Promise<readonly (number | string)[]> {
  const { model } = tinyModel({ x: batch(1) }, (builder) => [build(builder)]);
  const session = await ort.InferenceSession.create(encodeModel(model));
  const [output] = session.outputMetadata;
  await session.release();
  if (!output?.isTensor) throw new Error('the output is no tensor');
  return output.shape;
}

describe('axes that are made at run time', () => {
  it.each([1, 2, 7])('are the first, or the first two, of a batch of %i', async (size) => {
    const tensors = await compute({ x: batch(size) }, (builder) => [
      builder.op('Unsqueeze', ['x', lateAxes(builder, 'x', 0)]),
      builder.op('Unsqueeze', ['x', lateAxes(builder, 'x', 0, 1)]),
    ]);
    expect(tensors.map(({ dims }) => dims)).toEqual([
      [1, size, 1, 3, 2],
      [1, 1, size, 1, 3, 2],
    ]);
  });

  it('leave the rank of what a probe computes unknown to the planner', async () => {
    expect(
      await knownDims((builder) => builder.op('Unsqueeze', ['x', builder.ints(0)])),
    ).toHaveLength(5);
    expect(
      await knownDims((builder) => builder.op('Unsqueeze', ['x', lateAxes(builder, 'x', 0)])),
    ).toEqual([]);
    expect(await knownDims((builder) => buildProbe(builder, ['x', 'x'], 'x', 'BHSD'))).toEqual([]);
  });
});
