import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../src/config/index.js';
import { openMeasurement } from '../../src/pipeline/measure.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { Runner, Runners } from '../../src/runners/types.js';
import { fixture } from '../support/fixtures.js';

/** What CUDA would be handed, to the CPU: it checks every type, runs fp16, and has no kernels for bfloat16 or PagedAttention. */
const onCpu: Runners = { at: ({ provider = 'cpu' }) => stand(provider), fresh: ({ provider = 'cpu' }) => stand(provider), stop: () => undefined };
const stand = (provider: Runner['provider']): Runner => ({ ...inProcessRunner(), provider });

/** ONNX Runtime checks types before it looks for kernels. */
const NO_KERNEL = /Could not find an implementation for (\w+)/;

async function failuresOn(model: string, impl: string, precision: string): Promise<string[]> {
  const prepared = await prepareRun(parseRunOptions({ model, random: '2x6', padding: 'left', impl, precision }));
  const { config, loaded, batches } = prepared;
  const measurement = await openMeasurement(config, loaded, await resolveSites(loaded, inProcessRunner()), batches, onCpu);
  const { failures } = await measurement.run(batches[0]!);
  await measurement.close();
  return failures.map(({ failure: { problem } }) => problem);
}

describe('graphs for CUDA, where no GPU is at hand', () => {
  it.each(['qwen2-dynamo-bf16', 'qwen2-genai-bf16-cuda'])('%s keeps its bfloat16 nodes, and their types fit', async (name) => {
    const problems = await failuresOn(fixture('forms', name), 'eager@cpu,eager@cuda,sdpa@cuda,original@cuda', 'bf16');
    expect(problems).toHaveLength(3);
    for (const problem of problems) expect(problem).toMatch(NO_KERNEL);
  });

  it.each(['qwen2-fp16', 'qwen2-genai-fp16-cuda'])('%s in fp16 runs, the CPU standing in', async (name) => {
    expect(await failuresOn(fixture('forms', name), 'eager@cpu,eager@cuda,sdpa@cuda,flash@cuda,original@cuda', 'fp16')).toEqual([]);
  });

  it.each(['eager@cuda', 'sdpa@cuda', 'flash@cuda', 'flash@cuda:kernel=varlen'])('%s in bf16 fits its operators', async (name) => {
    const problems = await failuresOn(fixture('qwen2-optimum'), `eager@cpu,${name}`, 'bf16');
    expect(problems).toEqual([expect.stringMatching(NO_KERNEL)]);
  });
});
