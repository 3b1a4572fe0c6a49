import { describe, expect, it } from 'vitest';
import { AttnDiffError } from '../../src/errors.js';
import { failureOf } from '../../src/pipeline/failure.js';

const refused = (problem: string): AttnDiffError => new AttnDiffError('execution-failed', { stage: 's', problem });

describe('failureOf', () => {
  it.each([
    ['timed-out', '5', new AttnDiffError('timed-out', { stage: 's', seconds: 5 })],
    ['crashed', 'SIGSEGV', new AttnDiffError('runner-crashed', { stage: 's', signal: 'SIGSEGV' })],
    ['crashed', 'exit code 134', new AttnDiffError('runner-crashed', { stage: 's', signal: 'exit code 134' })],
    // The system kills what uses up its memory.
    ['out-of-memory', 'SIGKILL', new AttnDiffError('runner-crashed', { stage: 's', signal: 'SIGKILL' })],
    ...['std::bad_alloc', 'Failed to allocate memory for requested buffer of size 1', 'CUDA failure 2: out of memory', 'CUBLAS_STATUS_ALLOC_FAILED'].map((problem) => ['out-of-memory', problem, refused(problem)] as const),
    ['error', 'Program Cast requires f16', refused('Program Cast requires f16')],
  ] as const)('%s: %s', (kind, problem, error) => {
    expect(failureOf(error, 'left')).toEqual({ kind, problem, stage: 's', batch: 'left' });
  });

  it('is none where the error is not the process’s own', () => {
    for (const error of [new AttnDiffError('interrupted', { kept: null }), new AttnDiffError('not-buildable', { implementation: 'flash', problem: 'p' }), new TypeError('a fault')]) expect(failureOf(error, null)).toBeNull();
  });
});
