import { describe, expect, it } from 'vitest';
import { AttnDiffError } from '../../src/errors.js';
import { keyDifferences, requireSameKey, savedRun } from '../../src/gate/index.js';
import {
  KEY_FIELDS,
  type KeyField,
  type RunKey,
  type SavedImplementation,
  type SavedRun,
} from '../../src/types.js';
import { sampleReport } from '../report/sample.js';

const RUN = savedRun(sampleReport());

function withFlash(more: Partial<SavedImplementation>): SavedRun {
  return {
    ...RUN,
    implementations: RUN.implementations.map((info) =>
      info.name === 'flash' ? { ...info, ...more } : info,
    ),
  };
}

/** The same run with one thing changed, for each field of the key. */
const CHANGED: Record<KeyField, { run: RunKey; of: string | null; is: string }> = {
  model: {
    run: { ...RUN, model: { ...RUN.model, sha256: 'd'.repeat(64) } },
    of: null,
    is: 'd'.repeat(64),
  },
  precision: {
    run: withFlash({ precision: 'bf16', emulated: true }),
    of: 'flash',
    is: 'bf16, emulated',
  },
  settings: { run: withFlash({ settings: 'block=64' }), of: 'flash', is: 'block=64' },
  reference: { run: { ...RUN, reference: 'sdpa' }, of: null, is: 'sdpa' },
  implementations: {
    run: { ...RUN, implementations: RUN.implementations.slice(0, 2) },
    of: null,
    is: 'eager, sdpa',
  },
  batches: {
    run: {
      ...RUN,
      batches: RUN.batches.map((batch) =>
        batch.name === 'left' ? { ...batch, sha256: 'e'.repeat(64) } : batch,
      ),
    },
    of: 'left',
    is: 'e'.repeat(64),
  },
  provider: { run: withFlash({ provider: 'webgpu' }), of: 'flash', is: 'webgpu' },
  gpu: {
    run: { ...RUN, environment: { ...RUN.environment, gpu: 'NVIDIA A2' } },
    of: null,
    is: 'NVIDIA A2',
  },
  cpu: {
    run: { ...RUN, environment: { ...RUN.environment, cpu: 'another' } },
    of: null,
    is: 'another',
  },
  onnxruntime: {
    run: { ...RUN, environment: { ...RUN.environment, onnxruntime: '1.31.0' } },
    of: null,
    is: '1.31.0',
  },
  kernel: {
    run: withFlash({ kernel: 'GroupQueryAttention (naive)' }),
    of: 'flash',
    is: 'GroupQueryAttention (naive)',
  },
};

function refusal(run: RunKey, allow: readonly KeyField[] = []): AttnDiffError {
  try {
    requireSameKey({ path: 'base.json', factor: 1.5, allow, run: RUN }, run);
  } catch (error) {
    if (error instanceof AttnDiffError) return error;
    throw error;
  }
  throw new Error('it was let pass');
}

describe('the key of a baseline', () => {
  it('is that of the same run', () => {
    expect(keyDifferences(RUN, RUN)).toEqual([]);
    expect(requireSameKey({ path: 'base.json', factor: 1.5, allow: [], run: RUN }, RUN)).toEqual(
      [],
    );
  });

  it.each(KEY_FIELDS)(
    '%s: another is refused with both values, and let pass by that name alone',
    (field) => {
      const { run, of, is } = CHANGED[field];
      const [difference, ...others] = keyDifferences(RUN, run);
      expect(others).toEqual([]);
      expect(difference).toMatchObject({ field, of, is });
      expect(difference!.was).not.toBe(is);
      expect(
        refusal(
          run,
          KEY_FIELDS.filter((name) => name !== field),
        ),
      ).toMatchObject({
        code: 'baseline-mismatch',
        exitCode: 2,
        args: { path: 'base.json', ...difference, fields: [field] },
      });
      expect(
        requireSameKey({ path: 'base.json', factor: 1.5, allow: [field], run: RUN }, run),
      ).toEqual([difference]);
    },
  );

  it.each<[string, RunKey, Partial<Record<string, unknown>>]>([
    [
      'rounded activations',
      { ...RUN, model: { ...RUN.model, activations: 'bf16' } },
      { field: 'precision', of: null, was: 'fp32', is: 'fp32, activations bf16' },
    ],
    [
      'a provider asked for, which may not be the one that ran',
      withFlash({ asked: { provider: 'webgpu', kernel: 'flash' } }),
      { field: 'provider', of: 'flash', was: 'cpu', is: 'webgpu' },
    ],
    [
      'a batch that only one has',
      { ...RUN, batches: RUN.batches.slice(0, 1) },
      { field: 'batches', of: null, was: 'left, right', is: 'left' },
    ],
  ])('%s', (_name, run, expected) => {
    expect(keyDifferences(RUN, run)).toEqual([expect.objectContaining(expected)]);
  });

  it('names all fields that differ, so that they can be allowed at once', () => {
    const run = {
      ...RUN,
      environment: { ...RUN.environment, cpu: 'another', onnxruntime: '1.31.0' },
      model: { ...RUN.model, sha256: 'd'.repeat(64) },
    };
    expect(refusal(run, ['cpu']).args).toMatchObject({
      field: 'model',
      fields: ['model', 'onnxruntime'],
    });
  });

  it('is not held against what is not known before the run', () => {
    const planned: RunKey = {
      ...RUN,
      implementations: RUN.implementations.map((info) => ({
        ...info,
        precision: null,
        provider: null,
        kernel: null,
      })),
    };
    expect(keyDifferences(RUN, planned)).toEqual([]);
  });

  it('does not hang on the order of batches and implementations', () => {
    expect(
      keyDifferences(RUN, {
        ...RUN,
        batches: RUN.batches.toReversed(),
        implementations: RUN.implementations.toReversed(),
      }),
    ).toEqual([]);
  });

  it('must have a batch and an implementation in common, whatever is allowed', () => {
    const others = {
      ...RUN,
      batches: RUN.batches.map((batch) => ({ ...batch, name: `of ${batch.name}` })),
    };
    expect(refusal(others, KEY_FIELDS)).toMatchObject({
      code: 'baseline-apart',
      exitCode: 2,
      args: { what: 'batches', was: 'left, right' },
    });
    expect(refusal({ ...RUN, implementations: [] }, KEY_FIELDS)).toMatchObject({
      code: 'baseline-apart',
      args: { what: 'implementations', is: 'none' },
    });
  });
});
