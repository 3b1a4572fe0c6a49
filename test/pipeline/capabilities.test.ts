import { expect, it } from 'vitest';
import { capabilities } from '../../src/pipeline/capabilities.js';
import { tried } from '../../src/pipeline/tried.js';
import { inProcessRunner, inProcessRunners } from '../../src/runners/inProcess.js';
import { AttnDiffError } from '../../src/errors.js';
import { pooled } from '../../src/runners/pool.js';
import type { Runners } from '../../src/runners/types.js';
import type { AttentionPrecision, ImplementationName, ProviderName } from '../../src/types.js';

const all = capabilities(['cpu', 'webgpu', 'cuda']);

function at(
  implementation: ImplementationName,
  provider: ProviderName,
  precision: AttentionPrecision,
): (typeof all)[number] {
  return all.find(
    (each) =>
      each.implementation === implementation &&
      each.provider === provider &&
      each.precision === precision,
  )!;
}

it('says of every implementation, provider and precision how it runs, or why not', () => {
  expect(all).toHaveLength(3 * 3 * 3);
  for (const { kind, operators, reason } of all) {
    expect(reason === null).toBe(kind !== 'none');
    expect(operators.length > 0).toBe(kind !== 'none');
  }
});

it('on the CPU all is real in fp32 and emulated below', () => {
  for (const name of ['eager', 'sdpa', 'flash'] as const) {
    expect(
      (['fp32', 'fp16', 'bf16'] as const).map((precision) => at(name, 'cpu', precision).kind),
    ).toEqual(['real', 'emulated', 'emulated']);
  }
  expect(at('sdpa', 'cpu', 'fp32')).toMatchObject({
    operators: ['Attention'],
    kernels: ['attention', 'mha'],
  });
  expect(at('flash', 'cpu', 'fp16').kernels).toEqual([]);
});

it('names what a GPU cannot do, and offers a kernel only at the precisions that it takes', () => {
  expect(at('eager', 'webgpu', 'bf16')).toMatchObject({
    kind: 'none',
    reason: expect.stringContaining('eager@cpu'),
  });
  expect(at('flash', 'cuda', 'fp32')).toMatchObject({
    kind: 'none',
    reason: expect.stringContaining('fp16'),
  });
  expect(at('flash', 'webgpu', 'fp32').kernels).toEqual(['flash']);
  expect(at('flash', 'webgpu', 'fp16').kernels).toEqual(['flash', 'varlen']);
  expect(at('flash', 'cuda', 'bf16')).toMatchObject({
    kind: 'real',
    operators: ['GroupQueryAttention'],
  });
});

it('is nothing where no provider works', () => {
  expect(capabilities([])).toEqual([]);
});

it('what is real on the CPU is seen to run there', async () => {
  const claimed = capabilities(['cpu']);
  expect(await tried(claimed, inProcessRunners(), 60)).toEqual(claimed);
});

it('what a provider leaves to another, or refuses, is said to be so', async () => {
  const onCpu: Runners['at'] = ({ provider = 'cpu' }) => ({ ...inProcessRunner(), provider });
  const found = await tried(
    capabilities(['cuda']),
    { at: onCpu, fresh: onCpu, stop: () => undefined },
    60,
  );
  const kindOf = (implementation: ImplementationName, precision: AttentionPrecision): unknown =>
    found.find((each) => each.implementation === implementation && each.precision === precision);
  expect(kindOf('eager', 'fp32')).toMatchObject({
    kind: 'elsewhere',
    reason: expect.stringContaining('cpu'),
  });
  expect(kindOf('flash', 'fp16')).toMatchObject({ kind: 'elsewhere' });
  expect(kindOf('eager', 'bf16')).toMatchObject({
    kind: 'none',
    operators: [],
    reason: expect.stringContaining('Could not find an implementation'),
  });
});

it('one that crashes its process takes no other with it', async () => {
  const runners = pooled(() => {
    const inner = inProcessRunner();
    let ended: AttnDiffError | null = null;
    return {
      ...inner,
      hasEnded: () => ended !== null,
      open: async (request, stage) => {
        const isFlash =
          'bytes' in request.model &&
          Buffer.from(request.model.bytes).includes('GroupQueryAttention');
        const later = async (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
        await later();
        if (isFlash) ended ??= new AttnDiffError('runner-crashed', { stage, signal: 'SIGSEGV' });
        // A process ends for all that wait for it.
        await later();
        if (ended) throw ended;
        return inner.open(request, stage);
      },
    };
  });
  const found = await tried(
    capabilities(['cpu'])
      .filter(({ precision }) => precision === 'fp32')
      .toReversed(),
    runners,
    60,
  );
  expect(found.map(({ implementation, kind }) => [implementation, kind])).toEqual([
    ['flash', 'none'],
    ['sdpa', 'real'],
    ['eager', 'real'],
  ]);
});
