import { AttnDiffError, isError } from '../errors.js';
import { newModel } from '../onnx/newModel.js';
import { encodeModel } from '../onnx/read.js';
import { DataType } from '../onnx/types.js';
import { listProviders } from '../runners/providers.js';
import type { ExecutedNode, Runner, Runners } from '../runners/types.js';
import type { Stream, TensorData } from '../types.js';
import { diagnoseCuda } from './cuda.js';
import { failureOf } from './failure.js';
import { inSession } from './once.js';

/** Rows and columns of the two matrices that show whether a provider runs anything. */
const SIZE = 8;
const STAGE = 'running one node';

/**
 * Runs one node, a product of two small matrices, and returns what ran it.
 *
 * @throws AttnDiffError execution-failed, runner-crashed, timed-out
 */
export async function runOneNode(runner: Runner): Promise<ExecutedNode[]> {
  const { model, output } = newModel('one node', (builder) => {
    for (const name of ['a', 'b']) builder.input(name, DataType.FLOAT, [SIZE, SIZE]);
    return builder.op('MatMul', ['a', 'b']);
  });
  const matrix: TensorData = {
    type: 'float32',
    dims: [SIZE, SIZE],
    data: new Float32Array(SIZE * SIZE).fill(1),
  };
  return inSession(
    runner,
    { model: { bytes: encodeModel(model), folder: '.' }, profile: true },
    STAGE,
    async (session) => {
      const outputs = await session.run({ a: matrix, b: matrix });
      if (!outputs[output]!.data.every((value) => value === SIZE))
        throw new AttnDiffError('execution-failed', {
          stage: STAGE,
          problem: 'the product of two matrices of ones is wrong',
        });
      return await session.executed();
    },
  );
}

/**
 * Sees to it, before anything else is done, that every provider a run asks for is there and runs a node.
 *
 * @throws AttnDiffError provider-missing
 */
export async function checkProviders(
  streams: readonly Pick<Stream, 'settings'>[],
  runners: Runners,
  timeout: number | null,
): Promise<void> {
  const asked = new Set(
    streams.map(({ settings }) => settings.provider).filter((provider) => provider !== 'cpu'),
  );
  if (asked.size === 0) return;
  const available = (await listProviders()).map(({ name }) => name);
  for (const provider of asked) {
    const missing = async (problem: string): Promise<AttnDiffError> => {
      const cuda =
        provider === 'cuda' ? await diagnoseCuda({ status: 'missing', problem }, null) : null;
      return new AttnDiffError('provider-missing', { provider, problem, available, cuda });
    };
    if (!available.includes(provider))
      throw await missing(`onnxruntime-node has none for ${process.platform}-${process.arch}`);
    const runner = runners.fresh({ provider, timeout });
    try {
      await runOneNode(runner);
    } catch (error) {
      throw await missing(problemOf(error));
    } finally {
      runner.stop();
    }
  }
}

/** What kept a provider from running a node, in the runtime's own words. */
export function problemOf(error: unknown): string {
  const failure = failureOf(error, null);
  if (!failure) throw error;
  switch (failure.kind) {
    case 'timed-out':
      return `no answer within ${failure.problem} s`;
    case 'crashed':
    case 'out-of-memory':
      return isError(error, 'runner-crashed')
        ? `its process died (${failure.problem})`
        : failure.problem;
    case 'error':
      return failure.problem;
  }
}
