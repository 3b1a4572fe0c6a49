import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { newModel } from '../../src/onnx/newModel.js';
import { encodeModel } from '../../src/onnx/read.js';
import { DataType } from '../../src/onnx/types.js';
import { ROOT } from '../docs/documents.js';
import { SWIFTSHADER, WITHOUT_WEBGPU } from '../support/webgpu.js';

const [HEADS, DIM, LENGTH] = [2, 64, 80];
/** Lanes of a subgroup there, and scores that the shader computes in one step on such a device. */
const [LANES, STEP] = [4, 8];
const LOWEST = -3.4e38;
const scale = 1 / Math.sqrt(DIM);

const wave = (width: number, phase: number): Float32Array =>
  Float32Array.from(
    { length: LENGTH * width },
    (_, i) => 2 * Math.sin(i * 12.9898 + phase) * Math.cos(i * 0.37 + phase),
  );
const [query, key, value] = [wave(HEADS * DIM, 1), wave(DIM, 2), wave(DIM, 3)];

/**
 * WebGPU's FlashAttention where a subgroup has 4 lanes. Each step computes the scores of 8 keys, of which those of
 * lanes 4 to 7, which are not there, are those of lanes 0 to 3 again; and it adds them to the weights of the step before.
 *
 * @param faulty false for the online softmax that is meant
 */
function shader(faulty: boolean): Float64Array {
  const output = new Float64Array(LENGTH * HEADS * DIM);
  const keys = faulty ? LANES : STEP;
  for (let head = 0; head < HEADS; head++) {
    for (let q = 0; q < LENGTH; q++) {
      let [largest, total, kept] = [LOWEST, 0, new Float64Array(STEP)];
      const sum = new Float64Array(DIM);
      for (let start = 0; start < LENGTH; start += keys) {
        const slots = Array.from({ length: STEP }, (_, slot) => start + (slot % keys));
        const scores = slots.map((k, slot) =>
          start + slot <= q ? dot(q, head, k) * scale + (faulty ? kept[slot]! : 0) : LOWEST,
        );
        const most = Math.max(largest, ...scores);
        const powers = scores.map((score) => Math.exp(score - most));
        const before = total * Math.exp(largest - most);
        const all = before + powers.reduce((a, b) => a + b, 0);
        const weights = powers.map((power) => power / all);
        for (let e = 0; e < DIM; e++)
          sum[e] =
            sum[e]! * (before / all) +
            weights.reduce(
              (part, weight, slot) => part + weight * (value[slots[slot]! * DIM + e] ?? 0),
              0,
            );
        [largest, total, kept] = [most, all, Float64Array.from(weights)];
      }
      output.set(sum, (q * HEADS + head) * DIM);
    }
  }
  return output;
}

function dot(q: number, head: number, k: number): number {
  let sum = 0;
  for (let e = 0; e < DIM; e++)
    sum += query[(q * HEADS + head) * DIM + e]! * (key[k * DIM + e] ?? 0);
  return sum;
}

/** max |a − b|, and the first query at which it is beyond 1e-4. */
function off(a: ArrayLike<number>, b: ArrayLike<number>): { most: number; first: number } {
  const differences = Array.from(a, (x, i) => Math.abs(x - b[i]!));
  return {
    most: differences.reduce((x, y) => Math.max(x, y)),
    first: Math.floor(differences.findIndex((x) => x > 1e-4) / (HEADS * DIM)),
  };
}

describe.skipIf(WITHOUT_WEBGPU !== null)(
  `the fault of WebGPU’s flash kernel${WITHOUT_WEBGPU === null ? '' : `: ${WITHOUT_WEBGPU}`}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'attn-diff-fault-'));
    afterAll(() => rmSync(folder, { recursive: true }));

    it('is that keys of a block of four count twice, and that scores begin with the weights of the block before', () => {
      const { model, output } = newModel('gqa', (builder) => {
        for (const [name, width] of [
          ['query', HEADS * DIM],
          ['key', DIM],
          ['value', DIM],
        ] as const)
          builder.input(name, DataType.FLOAT, [1, LENGTH, width]);
        builder.input('seqlens_k', DataType.INT32, [1]);
        builder.input('total', DataType.INT32, []);
        return builder.ops(
          'GroupQueryAttention',
          ['query', 'key', 'value', '', '', 'seqlens_k', 'total'],
          3,
          { num_heads: BigInt(HEADS), kv_num_heads: 1n },
          'com.microsoft',
        )[0]!;
      });
      writeFileSync(join(folder, 'model.onnx'), encodeModel(model));
      writeFileSync(
        join(folder, 'inputs.json'),
        JSON.stringify({ query: [...query], key: [...key], value: [...value] }),
      );
      const script = `
      const ort = require('onnxruntime-node');
      const inputs = JSON.parse(require('fs').readFileSync('${join(folder, 'inputs.json')}'));
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, new ort.Tensor('float32', Float32Array.from(data), [1, ${LENGTH}, data.length / ${LENGTH}])]));
      feeds.seqlens_k = new ort.Tensor('int32', Int32Array.of(${LENGTH - 1}), [1]);
      feeds.total = new ort.Tensor('int32', Int32Array.of(${LENGTH}), []);
      (async () => {
        const results = {};
        for (const provider of ['cpu', 'webgpu']) results[provider] = [...(await (await ort.InferenceSession.create('${join(folder, 'model.onnx')}', { executionProviders: [provider], logSeverityLevel: 4 })).run(feeds))['${output}'].data];
        console.log(JSON.stringify(results));
      })();`;
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
        cwd: ROOT,
        encoding: 'utf8',
        env: { ...process.env, ...SWIFTSHADER },
        maxBuffer: 2 ** 26,
      });
      expect(stderr).toBe('');
      const { cpu, webgpu } = JSON.parse(stdout) as Record<'cpu' | 'webgpu', number[]>;
      expect(off(cpu, shader(false)).most).toBeLessThan(1e-5);
      expect(off(webgpu, cpu)).toMatchObject({
        most: expect.closeTo(off(shader(true), shader(false)).most, 4),
        first: 4,
      });
      expect(off(webgpu, shader(true)).most).toBeLessThan(1e-5);
    });
  },
);
