import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeModel } from '../../src/onnx/read.js';
import { executedNodes } from '../../src/runners/profile.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { openOrtSession } from '../../src/runners/ort.js';
import type { SessionRequest } from '../../src/runners/types.js';
import type { Tensors } from '../../src/types.js';
import { compute, tinyModel } from '../support/tinyGraph.js';

const x: Tensors = { x: { type: 'float32', dims: [2], data: Float32Array.of(-1, 2) } };

describe('running models in this process', () => {
  it('computes', async () => {
    expect((await compute(x, (builder) => [builder.op('Abs', ['x'])]))[0]!.data).toEqual(
      Float32Array.of(1, 2),
    );
  });

  it('takes and returns float16 as the numbers that it stands for', async () => {
    const half: Tensors = {
      x: { type: 'float16', dims: [4], data: Float32Array.of(-1.5, 65504, 2 ** -24, Infinity) },
    };
    const [out] = await compute(half, (builder) => [builder.op('Neg', ['x'])]);
    expect(out).toEqual({
      type: 'float16',
      dims: [4],
      data: Float32Array.of(1.5, -65504, -(2 ** -24), -Infinity),
    });
  });

  it('refuses an output of a type that nothing reads, by name', async () => {
    await expect(
      compute(x, (builder) => [builder.op('Cast', ['x'], { to: 2n })]),
    ).rejects.toMatchObject({
      code: 'execution-failed',
      args: { problem: expect.stringMatching(/is of type uint8/) },
    });
  });

  it('records which provider ran which node', async () => {
    const { model } = tinyModel(x, (builder) => [
      builder.op('Softmax', [builder.op('Abs', ['x'])]),
    ]);
    const session = await inProcessRunner().open(
      { model: { bytes: encodeModel(model), folder: '.' }, profile: true },
      'test',
    );
    await session.run(x);
    const executed = await session.executed();
    await session.close();
    expect(executed.map(({ opType, provider }) => [opType, provider])).toEqual([
      ['Abs', 'CPUExecutionProvider'],
      ['Softmax', 'CPUExecutionProvider'],
    ]);
  });

  it('times a pass, and refuses an output that is not there', async () => {
    const { model, outputs } = tinyModel(x, (builder) => [builder.op('Abs', ['x'])]);
    const session = await inProcessRunner().open(
      { model: { bytes: encodeModel(model), folder: '.' }, prepack: true },
      'test',
    );
    expect(await session.measure(x, outputs)).toBeGreaterThan(0);
    await expect(session.measure(x, ['nowhere'])).rejects.toMatchObject({
      code: 'execution-failed',
    });
    await session.close();
  });

  it('tells the memory of its process', async () => {
    const { resident, peak } = await inProcessRunner().memory();
    // Node.js alone takes some MiB. Linux counts pages by core, so that the two may be off by some.
    expect(resident).toBeGreaterThan(2 ** 22);
    expect(peak).toBeGreaterThan(0.9 * resident);
  });

  it('says what the runtime refused', async () => {
    const { model } = tinyModel(x, (builder) => [builder.op('NoSuchOperator', ['x'])]);
    await expect(
      inProcessRunner().open({ model: { bytes: encodeModel(model), folder: '.' } }, 'a stage'),
    ).rejects.toMatchObject({
      code: 'model-refused',
      args: {
        stage: 'a stage',
        reason: 'operator',
        problem: expect.stringContaining('NoSuchOperator'),
      },
    });
  });

  it('leaves no profile behind, where the model is refused and where nobody asked for it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'attn-diff-ort-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const request = (operator: string): SessionRequest => {
      const { model } = tinyModel(x, (builder) => [builder.op(operator, ['x'])]);
      return { model: { bytes: encodeModel(model), folder: '.' }, profile: true };
    };
    await expect(openOrtSession(request('NoSuchOperator'), folder)).rejects.toThrow(
      /NoSuchOperator/,
    );
    await (await openOrtSession(request('Abs'), folder)).close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('reads only kernel events of a profile', () => {
    const kernel = {
      name: 'n_kernel_time',
      args: {
        op_name: 'MatMul',
        provider: 'CPUExecutionProvider',
        input_type_shape: [{ float: [2, 8] }, { float16: [8] }],
        output_type_shape: [{ float: [2] }],
      },
    };
    expect(
      executedNodes([
        kernel,
        { name: 'model_run' },
        { name: 'n_fence_before', args: { op_name: 'MatMul' } },
      ]),
    ).toEqual([
      {
        name: 'n',
        opType: 'MatMul',
        provider: 'CPUExecutionProvider',
        programs: [],
        inputTypes: ['float', 'float16'],
        outputTypes: ['float'],
      },
    ]);
    expect(
      executedNodes([
        {
          ...kernel,
          args: { op_name: 'MatMul', provider: 'CPUExecutionProvider', input_type_shape: 'x' },
        },
      ]),
    ).toMatchObject([{ inputTypes: [], outputTypes: [] }]);
  });
});

describe('flash on the CPU provider', () => {
  // GroupQueryAttention without its present outputs takes the naive kernel, which sums in another order.
  it('is another kernel than the naive one: the same inputs give other bits', async () => {
    const random = (dims: number[], seed: number): Tensors[string] => ({
      type: 'float32',
      dims,
      data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) =>
        Math.sin(i * 12.9898 + seed),
      ),
    });
    const feeds: Tensors = {
      q: random([1, 64, 32], 1),
      k: random([1, 64, 16], 2),
      v: random([1, 64, 16], 3),
      seqlens: { type: 'int32', dims: [1], data: Int32Array.of(63) },
      total: { type: 'int32', dims: [], data: Int32Array.of(64) },
    };
    const [withPresent, without] = await compute(feeds, (builder) => {
      const gqa = (outputs: number): string =>
        builder.ops(
          'GroupQueryAttention',
          ['q', 'k', 'v', '', '', 'seqlens', 'total'],
          outputs,
          { num_heads: 4n, kv_num_heads: 2n },
          'com.microsoft',
        )[0]!;
      return [gqa(3), gqa(1)];
    });
    const [flash, naive] = [withPresent!.data as Float32Array, without!.data as Float32Array];
    const largest = flash.reduce(
      (worst, value, i) => Math.max(worst, Math.abs(value - naive[i]!)),
      0,
    );
    expect(largest).toBeGreaterThan(0);
    expect(largest).toBeLessThan(1e-5);
  });
});
