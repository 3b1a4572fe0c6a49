import { describe, expect, it } from 'vitest';
import { AttnDiffError } from '../../src/errors.js';
import { failureOf, onRebuilt } from '../../src/pipeline/failure.js';

describe('failureOf', () => {
  it.each([
    ['timed-out', '5', new AttnDiffError('timed-out', { stage: 's', seconds: 5 })],
    ['crashed', 'SIGSEGV', new AttnDiffError('runner-crashed', { stage: 's', signal: 'SIGSEGV' })],
    [
      'crashed',
      'exit code 134',
      new AttnDiffError('runner-crashed', { stage: 's', signal: 'exit code 134' }),
    ],
    // The system kills what uses up its memory.
    [
      'out-of-memory',
      'SIGKILL',
      new AttnDiffError('runner-crashed', { stage: 's', signal: 'SIGKILL' }),
    ],
    [
      'out-of-memory',
      'std::bad_alloc',
      new AttnDiffError('out-of-memory', { stage: 's', problem: 'std::bad_alloc' }),
    ],
    [
      'error',
      'Program Cast requires f16',
      new AttnDiffError('execution-failed', { stage: 's', problem: 'Program Cast requires f16' }),
    ],
    [
      'error',
      'no such operator',
      new AttnDiffError('model-refused', {
        stage: 's',
        reason: 'operator',
        problem: 'no such operator',
      }),
    ],
    [
      'error',
      'wrong rank',
      new AttnDiffError('input-refused', { stage: 's', what: 'size', problem: 'wrong rank' }),
    ],
    ['error', 'cyclic', new AttnDiffError('rebuilt-refused', { stage: 's', problem: 'cyclic' })],
  ] as const)('%s: %s', (kind, problem, error) => {
    expect(failureOf(error, 'left')).toEqual({ kind, problem, stage: 's', batch: 'left' });
  });

  it('is none where the error is not the process’s own', () => {
    for (const error of [
      new AttnDiffError('interrupted', { kept: null }),
      new AttnDiffError('not-buildable', { implementation: 'flash', problem: 'p' }),
      new TypeError('a fault'),
    ])
      expect(failureOf(error, null)).toBeNull();
  });
});

describe('onRebuilt', () => {
  const failing = (error: unknown): Promise<unknown> =>
    onRebuilt(() => Promise.reject(error)).catch((thrown: unknown) => thrown);
  const refused = (reason: 'graph' | 'kernel' | 'weights'): AttnDiffError =>
    new AttnDiffError('model-refused', { stage: 's', reason, problem: 'p' });

  it('does not blame a file that ONNX Runtime took for a graph that was made of it', async () => {
    expect(await failing(refused('graph'))).toMatchObject({
      code: 'rebuilt-refused',
      args: { stage: 's', problem: 'p' },
    });
  });

  it('leaves alone what another graph would not change', async () => {
    for (const error of [refused('kernel'), refused('weights'), new TypeError('a fault')])
      expect(await failing(error)).toBe(error);
  });
});
