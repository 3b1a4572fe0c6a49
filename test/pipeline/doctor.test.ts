import { expect, it } from 'vitest';
import { AttnDiffError } from '../../src/errors.js';
import { diagnose } from '../../src/pipeline/doctor.js';
import { listProviders } from '../../src/runners/providers.js';
import type { ExecutedNode, Runner, Runners } from '../../src/runners/types.js';
import type { Diagnosis } from '../../src/doctorTypes.js';
import type { Tensors } from '../../src/types.js';

const PRODUCT: Tensors = {
  output: { type: 'float32', dims: [8, 8], data: new Float32Array(64).fill(8) },
};

/** Runners whose only node ran as told, or that end as told. */
function runnersOf(result: readonly ExecutedNode[] | Error): Runners {
  const fresh: Runners['fresh'] = ({ provider = 'cpu' }): Runner => ({
    provider,
    hasEnded: () => false,
    memory: () => Promise.resolve({ resident: 0, peak: 0 }),
    printed: () => '',
    stop: () => undefined,
    open: () =>
      result instanceof Error
        ? Promise.reject(result)
        : Promise.resolve({
            measure: () => Promise.resolve(0),
            run: () => Promise.resolve(new Proxy(PRODUCT, { get: () => PRODUCT['output'] })),
            executed: () => Promise.resolve([...result]),
            close: () => Promise.resolve(),
          }),
  });
  return { fresh, at: fresh, stop: () => undefined };
}

/** What is found of the providers that onnxruntime-node has here. */
async function found(result: readonly ExecutedNode[] | Error): Promise<Diagnosis['providers']> {
  const { providers, implementations } = await diagnose(runnersOf(result), 1);
  const available = (await listProviders()).map(({ name }) => name);
  expect(
    providers
      .filter(({ status }) => status !== 'not-on-platform')
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(available.toSorted());
  expect(new Set(implementations.map(({ provider }) => provider))).toEqual(
    new Set(providers.filter(({ status }) => status === 'works').map(({ name }) => name)),
  );
  return providers.filter(({ status }) => status !== 'not-on-platform');
}

const onCpu: ExecutedNode = {
  name: 'node',
  opType: 'MatMul',
  provider: 'CPUExecutionProvider',
  programs: [],
  inputTypes: ['float', 'float'],
  outputTypes: ['float'],
};

it('a provider works only where its node ran on it', async () => {
  for (const { name, status, ran } of await found([onCpu])) {
    expect(status).toBe(name === 'cpu' ? 'works' : 'falls-back');
    expect(ran).toEqual([{ operator: 'MatMul', provider: 'cpu', types: ['fp32'] }]);
  }
});

it('one whose profile shows nothing is not said to work', async () => {
  for (const { status } of await found([])) expect(status).toBe('falls-back');
});

it.each([
  [
    new AttnDiffError('execution-failed', { stage: '', problem: 'No adapter' }),
    'missing',
    'No adapter',
  ],
  [
    new AttnDiffError('runner-crashed', { stage: '', signal: 'SIGSEGV' }),
    'fails',
    'its process died (SIGSEGV)',
  ],
  [new AttnDiffError('timed-out', { stage: '', seconds: 1 }), 'fails', 'no answer within 1 s'],
] as const)('%s is a finding', async (error, status, problem) => {
  for (const provider of await found(error))
    expect(provider).toMatchObject({ status, problem, ran: [] });
});

it('an interruption ends it', async () => {
  await expect(
    diagnose(runnersOf(new AttnDiffError('interrupted', { kept: null })), 1),
  ).rejects.toMatchObject({ code: 'interrupted' });
});
