import { describe, expect, it } from 'vitest';
import { buildBatch } from '../../src/batch/index.js';
import { withMask } from '../../src/batch/maskFile.js';
import { buildPackedBatch } from '../../src/batch/pad.js';
import { mulberry32 } from '../../src/batch/random.js';
import type {
  AttentionSettings,
  Batch,
  BatchMask,
  ImplementationName,
  TensorData,
} from '../../src/types.js';
import { attend } from '../support/attend.js';
import { attention64 } from '../support/attention64.js';

type Name = Exclude<ImplementationName, 'original'>;
const HEADS = 4;
const [KV_HEADS, HEAD_DIM, SCALE] = [2, 8, 0.4];
const LOW: Partial<AttentionSettings> = {
  precision: 'bf16',
  scoresPrecision: 'bf16',
  flashBlock: 4,
};

function random(dims: number[], seed: number): TensorData {
  const next = mulberry32(seed);
  return {
    type: 'float32',
    dims,
    data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => 4 * next() - 2),
  };
}

function given(batch: Batch): {
  query: TensorData;
  key: TensorData;
  value: TensorData;
  batch: Batch;
  scale: number;
} {
  const { size, length } = batch;
  return {
    query: random([size, HEADS, length, HEAD_DIM], 1),
    key: random([size, KV_HEADS, length, HEAD_DIM], 2),
    value: random([size, KV_HEADS, length, HEAD_DIM], 3),
    batch,
    scale: SCALE,
  };
}

/** Relative L2 over the tokens that `counts` picks. */
function error(
  output: TensorData,
  truth: Float64Array,
  { length }: Batch,
  counts: (token: number) => boolean,
): number {
  let [delta, norm] = [0, 0];
  truth.forEach((expected, i) => {
    const position = Math.floor(i / HEAD_DIM) % length;
    const token = Math.floor(i / (HEADS * length * HEAD_DIM)) * length + position;
    if (!counts(token)) return;
    delta += (Number(output.data[i]) - expected) ** 2;
    norm += expected ** 2;
  });
  expect(norm).toBeGreaterThan(0);
  return Math.sqrt(delta / norm);
}

const sequence = (length: number): number[] => Array.from({ length }, (_, i) => i + 1);
const options = { padTokenId: 0, source: 'test', name: 'test' } as const;

describe.each(['left', 'right'] as const)(
  'documents packed in a row, padded on the %s',
  (padding) => {
    const batch = buildPackedBatch({
      ...options,
      padding,
      length: 17,
      rows: [
        [sequence(5), sequence(1), sequence(8)],
        [sequence(9), sequence(6)],
      ],
    });
    const documents = batch.documents!;
    const inputs = given(batch);
    const truth = attention64(
      inputs.query,
      inputs.key,
      inputs.value,
      SCALE,
      (b, _, q, k) =>
        k <= q && documents[b * 17 + k] !== -1 && documents[b * 17 + k] === documents[b * 17 + q],
    );

    it.each<[Name, Partial<AttentionSettings>, number]>([
      ['eager', {}, 1e-6],
      ['sdpa', {}, 1e-6],
      ['flash', {}, 1e-6],
      ['exact', {}, 1e-12],
      ['eager', LOW, 2e-2],
      ['sdpa', LOW, 2e-2],
      ['flash', LOW, 2e-2],
    ])('%s %j lets no document see another', async (name, settings, limit) => {
      expect(
        error(
          await attend(name, { ...inputs, settings }),
          truth,
          batch,
          (token) => batch.kinds[token] === 'valid',
        ),
      ).toBeLessThanOrEqual(limit);
    });
  },
);

describe('a past of 7 tokens', () => {
  const batch = buildBatch({
    ...options,
    sequences: [sequence(12), sequence(9)],
    padding: 'left',
    length: null,
    past: 7,
  });
  const decoding = { past: 7, steps: 5 };
  const seen = (b: number, k: number): boolean => batch.attentionMask[b * 12 + k] === 1n;
  const inputs = { ...given(batch), decoding };
  const truths = {
    'bottom-right': attention64(
      inputs.query,
      inputs.key,
      inputs.value,
      SCALE,
      (b, _, q, k) => k <= q && seen(b, k),
    ),
    'top-left': attention64(
      inputs.query,
      inputs.key,
      inputs.value,
      SCALE,
      (b, _, q, k) => k <= (q < 7 ? q : q - 7) && seen(b, k),
    ),
  };
  const isValid = (token: number): boolean => batch.kinds[token] === 'valid';

  it.each<[Name, Partial<AttentionSettings>, keyof typeof truths]>([
    ['eager', {}, 'bottom-right'],
    ['sdpa', {}, 'bottom-right'],
    ['flash', {}, 'bottom-right'],
    ['exact', {}, 'bottom-right'],
    ['eager', { alignment: 'top-left' }, 'top-left'],
    ['sdpa', { alignment: 'top-left' }, 'top-left'],
  ])('%s %j is aligned %s', async (name, settings, alignment) => {
    const output = await attend(name, { ...inputs, settings });
    // Under top-left the first decoded query of a padded row sees nothing: how that comes out differs by design.
    const counts = (token: number): boolean =>
      isValid(token) && (alignment === 'bottom-right' || token < 12);
    expect(error(output, truths[alignment], batch, counts)).toBeLessThanOrEqual(1e-6);
    expect(
      error(output, truths[alignment === 'top-left' ? 'bottom-right' : 'top-left'], batch, counts),
    ).toBeGreaterThan(0.1);
  });

  it('the operator’s own causal mask is aligned top-left where keys come side by side', async () => {
    const full = buildBatch({
      ...options,
      sequences: [sequence(12), sequence(12)],
      padding: 'left',
      length: null,
      past: 7,
    });
    const output = await attend('sdpa', {
      ...inputs,
      batch: full,
      settings: { maskForm: 'causal' },
    });
    const topLeft = attention64(
      inputs.query,
      inputs.key,
      inputs.value,
      SCALE,
      (_b, _h, q, k) => k <= (q < 7 ? q : q - 7),
    );
    expect(error(output, topLeft, full, () => true)).toBeLessThanOrEqual(1e-6);
  });
});

describe('a 4D mask of the batch’s own, of every head', () => {
  const plain = buildBatch({
    ...options,
    sequences: [sequence(10), sequence(10)],
    padding: 'right',
    length: null,
  });
  const next = mulberry32(5);
  // Every query sees its own key: what a fully masked row becomes differs by design.
  const allowed = Uint8Array.from({ length: 2 * HEADS * 100 }, (_, i) =>
    Number((i % 100) % 11 === 0 || next() < 0.4),
  );
  const at = (b: number, h: number, q: number, k: number): number =>
    ((b * HEADS + h) * 10 + q) * 10 + k;
  const mask: BatchMask = { dims: [2, HEADS, 10, 10], allowed, additive: null, source: 'test' };
  const biases = Float32Array.from(allowed, (bit) =>
    bit === 1 ? 3 * next() - 1.5 : -3.4028234663852886e38,
  );

  it.each<[Name, Partial<AttentionSettings>, number]>([
    ['eager', {}, 1e-6],
    ['sdpa', {}, 1e-6],
    ['exact', {}, 1e-12],
    ['sdpa', LOW, 2e-2],
  ])('%s %j follows a boolean one', async (name, settings, limit) => {
    const inputs = given(withMask(plain, mask, HEADS));
    const truth = attention64(
      inputs.query,
      inputs.key,
      inputs.value,
      SCALE,
      (b, h, q, k) => allowed[at(b, h, q, k)] === 1,
    );
    expect(
      error(await attend(name, { ...inputs, settings }), truth, plain, () => true),
    ).toBeLessThanOrEqual(limit);
  });

  it.each<[Name, Partial<AttentionSettings>, number]>([
    ['eager', {}, 1e-6],
    ['sdpa', {}, 1e-6],
    ['exact', {}, 1e-12],
    ['eager', LOW, 3e-2],
    ['eager', { precision: 'fp16', scoresPrecision: 'fp16' }, 3e-3],
    ['sdpa', LOW, 2e-2],
  ])('%s %j adds an additive one', async (name, settings, limit) => {
    const inputs = given(withMask(plain, { ...mask, additive: biases }, HEADS));
    const truth = attention64(
      inputs.query,
      inputs.key,
      inputs.value,
      SCALE,
      (b, h, q, k) => allowed[at(b, h, q, k)] === 1,
      (b, h, q, k) => biases[at(b, h, q, k)]!,
    );
    expect(
      error(await attend(name, { ...inputs, settings }), truth, plain, () => true),
    ).toBeLessThanOrEqual(limit);
  });
});
