import { expect, it } from 'vitest';
import { parseRunOptions } from '../../src/config/index.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { runDiff } from '../../src/pipeline/run.js';
import { inProcessRunners } from '../../src/runners/inProcess.js';
import type { Runner, Runners } from '../../src/runners/types.js';
import type { Tensors } from '../../src/types.js';
import { fixture } from '../support/fixtures.js';

/** As from a device on which no kernel runs: every number that it reduces is what its memory had. */
function dead(tensors: Tensors): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [
      name,
      tensor.type === 'float64'
        ? { ...tensor, data: new Float64Array(tensor.data.length) }
        : tensor,
    ]),
  );
}

/** Runners of which those of the naive kernel are dead. */
function runners(): Runners {
  const alive = inProcessRunners();
  const at: Runners['at'] = (place): Runner => {
    const runner = alive.at(place);
    if (place.environment?.['ORT_GQA_DISABLE_FLASH_ATTENTION'] !== '1') return runner;
    return {
      ...runner,
      open: async (request, stage) => {
        const session = await runner.open(request, stage);
        return { ...session, run: async (feeds) => dead(await session.run(feeds)) };
      },
    };
  };
  return { at, fresh: at, stop: alive.stop };
}

it('an implementation on a device that computes nothing has failed, and is not within rounding', async () => {
  const options = parseRunOptions({
    model: fixture('qwen2-head64'),
    random: '2x12',
    padding: 'right',
    impl: 'eager,sdpa,flash:kernel=naive',
  });
  const report = await runDiff(await prepareRun(options), runners());
  const naive = report.implementations.find(({ name }) => name === 'flash:kernel=naive')!;
  expect(naive).toMatchObject({
    proof: 'not-provable',
    reason: 'failed',
    kernel: expect.stringContaining('GroupQueryAttention'),
  });
  expect(naive.failure!.problem).toMatch(/computes wrong: .* contradict each other/);
  expect(report.rows.some(({ implementation }) => implementation === naive.name)).toBe(false);
  expect(report.verdict.passed).toBe(false);
});
