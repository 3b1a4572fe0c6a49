import { describe, expect, it } from 'vitest';
import { windowFindings } from '../../src/metrics/index.js';
import { loadModel } from '../../src/pipeline/load.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { CAUSES, type Batch, type Cause, type Deviation, type Finding } from '../../src/types.js';
import { explained, randomBatch, type Explained } from '../support/explained.js';
import { fixture } from '../support/fixtures.js';
import { formReference } from '../support/forms.js';

const BOOLEAN = 'eager:mask=boolean';
const padded = randomBatch([24, 17, 9], 'left');
const decoded: Batch = { ...randomBatch([24, 24], 'left'), past: 5 };
/** Head size 16, theta 10,000. */
const inverseFrequencies = Array.from({ length: 8 }, (_, i) => 10_000 ** (-i / 8));
const INVERSE = expect.arrayContaining([1]) as number[];

const causes = (findings: readonly Finding[]) =>
  findings.filter((finding): finding is Extract<Finding, { code: Cause }> =>
    (CAUSES as readonly string[]).includes(finding.code),
  );
const divergences = (findings: readonly Finding[]): Finding[] =>
  findings.filter(({ code }) => code === 'local-divergence');

/** What is planted, in which implementation, and how it is named where not as it was planted. */
const PLANTED: [Cause, Deviation, string, Batch?, Deviation?][] = [
  ['scale-mismatch', { kind: 'scale', factor: 1.1 }, 'sdpa'],
  ['scale-mismatch', { kind: 'scale', factor: 0.037 }, 'sdpa'],
  ['scale-mismatch', { kind: 'scale', factor: 1.0003 }, 'sdpa'],
  ['window-mismatch', { kind: 'window', to: 5 }, 'sdpa'],
  ['window-mismatch', { kind: 'window', to: 11 }, 'sdpa'],
  ['mask-shift', { kind: 'mask-shift', by: 1 }, 'sdpa'],
  ['mask-shift', { kind: 'mask-shift', by: -1 }, 'sdpa'],
  ['padding-side', { kind: 'padding-side' }, 'sdpa'],
  ['mask-ignored', { kind: 'mask-ignored', part: 'padding' }, 'sdpa'],
  ['mask-ignored', { kind: 'mask-ignored', part: 'causal' }, 'sdpa'],
  ['causal-alignment', { kind: 'alignment', to: 'top-left' }, 'sdpa', decoded],
  ['head-mapping', { kind: 'head-order', order: [0, 2, 1, 3] }, 'sdpa'],
  ['head-mapping', { kind: 'head-order', order: [1, 2, 3, 0] }, 'sdpa'],
  ['head-mapping', { kind: 'kv-mapping' }, 'sdpa'],
  [
    'position-ids',
    { kind: 'positions', by: -1, inverseFrequencies },
    'sdpa',
    padded,
    { kind: 'positions', by: -1, inverseFrequencies: INVERSE },
  ],
  [
    'position-ids',
    { kind: 'positions', by: -7, inverseFrequencies },
    'sdpa',
    padded,
    { kind: 'positions', by: -7, inverseFrequencies: INVERSE },
  ],
  ['low-precision-scores', { kind: 'scores-precision', to: 'bf16' }, BOOLEAN],
  ['softmax-precision', { kind: 'softmax-precision', to: 'bf16' }, BOOLEAN],
  ['attention-precision', { kind: 'precision', to: 'bf16' }, BOOLEAN],
  ['underflow', { kind: 'flush', below: 2 ** -8 }, BOOLEAN],
];

/** A scale is searched for, and found to some digits. */
function asNamed(deviation: Deviation): Deviation {
  return deviation.kind === 'scale'
    ? { ...deviation, factor: Number(deviation.factor.toFixed(4)) }
    : deviation;
}

describe.each(['qwen2-optimum', 'qwen2-dynamo'])(
  'a fault planted in layer 2 of one implementation, %s',
  (name) => {
    it.each(PLANTED)(
      '%s: %j in %s',
      async (cause, deviation, implementation, batch = padded, shown = deviation) => {
        const run = await explained(name, {
          options: { impl: implementation },
          batch,
          plant: { stream: implementation, layer: 2, deviation },
        });
        expect(divergences(run.findings)).toEqual([]);
        const named = causes(run.findings).map((finding) => ({
          ...finding,
          deviation: asNamed(finding.deviation),
        }));
        expect(named).toEqual([
          expect.objectContaining({
            code: cause,
            implementation,
            against: 'eager',
            layers: [2],
            batch: 'left',
            deviation: shown,
          }),
        ]);
        expect(causes(run.findings)[0]!.explained).toBeGreaterThan(0.999);
        expect(run.explanations).toHaveLength(1);
      },
    );
  },
);

describe('whatever the reference', () => {
  const plant = { stream: 'sdpa', layer: 1, deviation: { kind: 'window', to: 7 } } as const;
  it.each(['exact', 'flash', 'eager:mask=boolean', 'original'])('%s', async (reference) => {
    const run = await explained('qwen2-optimum', {
      options: { impl: 'sdpa', reference },
      batch: padded,
      plant,
    });
    expect(causes(run.findings)).toMatchObject([
      {
        code: 'window-mismatch',
        implementation: 'sdpa',
        against: reference,
        layers: [1],
        deviation: { to: 7 },
      },
    ]);
    expect(run.explanations).toMatchObject([
      { changed: reference, standIn: reference.startsWith('eager') ? null : BOOLEAN },
    ]);
  });
});

describe('what nothing explains', () => {
  it('stays a local divergence, with what was tried', async () => {
    const deviation: Deviation = { kind: 'head-order', order: [0, 0, 2, 2] };
    const run = await explained('qwen2-optimum', {
      options: { impl: 'sdpa' },
      batch: padded,
      plant: { stream: 'sdpa', layer: 0, deviation },
    });
    expect(divergences(run.findings)).toHaveLength(1);
    expect(run.explanations[0]!.factors.length).toBeGreaterThan(10);
    expect(run.explanations[0]!.factors.every(({ explained: share }) => share < 0.9)).toBe(true);
  });
  it('is told with two changes where two are enough', async () => {
    const run = await explained('qwen2-optimum', {
      options: { impl: 'eager:softmax=bf16' },
      batch: padded,
      plant: {
        stream: 'eager:softmax=bf16',
        layer: 0,
        deviation: { kind: 'scores-precision', to: 'bf16' },
      },
    });
    expect(run.explanations[0]!.factors[0]).toMatchObject({
      deviation: { kind: 'softmax-precision', to: 'bf16' },
      besides: { kind: 'scores-precision', to: 'bf16' },
      relL2: 0,
      explained: 1,
    });
    expect(divergences(run.findings)).toHaveLength(1);
  });
});

describe('every layer, if asked for', () => {
  it('is explained', async () => {
    const run = await explained('qwen2-optimum', {
      options: { impl: 'eager:softmax=bf16', reference: 'sdpa' },
      batch: padded,
      allLayers: true,
    });
    expect(run.explanations.map(({ layer }) => layer)).toEqual([0, 1, 2, 3]);
    for (const { factors } of run.explanations)
      expect(factors[0]).toMatchObject({
        deviation: { kind: 'softmax-precision', to: 'bf16' },
        explained: expect.closeTo(1, 4),
      });
    expect(causes(run.findings)).toMatchObject([
      { code: 'softmax-precision', layers: [0, 1, 2, 3] },
    ]);
  });
});

describe('incidents', () => {
  const verdict = ({ findings }: Explained) =>
    causes(findings).map(({ code, implementation, against }) => [code, implementation, against]);

  it.each(['qwen2-genai-fp32-cpu', 'qwen3-genai-fp32-cpu'])(
    'GroupQueryAttention on left padding masks the wrong side (onnxruntime #18283), %s',
    async (form) => {
      const batch = formReference(form, 'left').batch;
      for (const reference of ['eager', 'sdpa'])
        expect(
          verdict(
            await explained(`forms/${form}`, { options: { impl: 'original', reference }, batch }),
          ),
        ).toContainEqual(['padding-side', 'original', reference]);
      const turned = await explained(`forms/${form}`, {
        options: { impl: 'eager', reference: 'original' },
        batch,
      });
      expect(verdict(turned)).toEqual([['padding-side', 'original', 'eager']]);
      expect(turned.explanations).toMatchObject([{ changed: 'eager', standIn: null }]);
      expect(
        verdict(
          await explained(`forms/${form}`, {
            options: { impl: 'original' },
            batch: formReference(form, 'right').batch,
          }),
        ),
      ).toEqual([]);
    },
  );

  it('ONNX Attention with a past and is_causal is aligned top-left', async () => {
    expect(
      verdict(
        await explained('qwen2-optimum', { options: { impl: 'sdpa:mask=causal' }, batch: decoded }),
      ),
    ).toEqual([['causal-alignment', 'sdpa:mask=causal', 'eager']]);
    expect(
      verdict(
        await explained('qwen2-optimum', {
          options: { impl: 'eager', reference: 'sdpa:mask=causal' },
          batch: decoded,
        }),
      ),
    ).toEqual([['causal-alignment', 'sdpa:mask=causal', 'eager']]);
  });

  it('eager in bf16 rounds large scores away, whichever it is held against (transformers #33317)', async () => {
    const batch = randomBatch([40, 33], 'left', 500);
    const run = (impl: string, reference: string) =>
      explained('qwen2-large-scores', { options: { impl, reference, precision: 'bf16' }, batch });
    const reverse = await run('sdpa,flash', 'eager');
    expect(verdict(reverse)).toEqual([
      ['low-precision-scores', 'eager', 'sdpa'],
      ['low-precision-scores', 'eager', 'flash'],
    ]);
    expect(causes(reverse.findings)[0]!.deviation).toEqual({
      kind: 'scores-precision',
      to: 'bf16',
    });
    expect(reverse.explanations[0]!.factors[0]).toMatchObject({
      deviation: { kind: 'scores-precision', to: 'fp32' },
      relL2: 0,
    });
    for (const reference of ['sdpa', 'flash', 'exact'])
      expect(verdict(await run('eager', reference))).toEqual([
        ['low-precision-scores', 'eager', reference],
      ]);
    expect(verdict(await run('eager:scores=fp32', 'sdpa'))).toEqual([]);
  });

  it('a fill of −10000 does not mask scores of that size', async () => {
    const run = await explained('qwen2-optimum', {
      options: { impl: 'eager:fill=-1e4' },
      batch: padded,
      change: (site) => ({ ...site, scale: 1e5 * site.scale }),
    });
    expect(verdict(run)).toEqual([['mask-fill', 'eager:fill=-1e4', 'eager']]);
  });

  it.each(['optimum', 'dynamo23', 'genai-fp32-cpu'])(
    'eager without the window of Qwen2 (transformers #35924), and one token off (#39408): %s',
    async (form) => {
      const batch = randomBatch([20, 13], 'right');
      const lost = await explained(`forms/qwen2-window-${form}`, {
        options: { impl: 'flash', reference: 'eager:window=none' },
        batch,
      });
      expect(causes(lost.findings)).toMatchObject([
        {
          code: 'window-mismatch',
          implementation: 'eager:window=none',
          against: 'flash',
          layers: [1],
          firstToken: 6,
          deviation: { kind: 'window', to: null },
        },
      ]);
      expect(lost.explanations[0]!.factors[0]!.deviation).toEqual({ kind: 'window', to: 6 });
      const off = await explained(`forms/qwen2-window-${form}`, {
        options: { impl: 'eager:window=5', reference: 'flash' },
        batch,
      });
      expect(causes(off.findings)).toMatchObject([
        {
          implementation: 'eager:window=5',
          against: 'flash',
          layers: [1],
          deviation: { kind: 'window', to: 5 },
        },
      ]);
    },
  );

  it('a file whose masks slide otherwise than config.json says', async () => {
    const found = async (name: string): Promise<Finding[]> => {
      const loaded = await loadModel(fixture(name));
      const sites = await resolveSites(loaded, inProcessRunner());
      return windowFindings(
        sites.map(({ layer, maskSummary }) => ({ layer, window: maskSummary.window })),
        { ...loaded.source.config, slidingWindow: 6, maxWindowLayers: 1, layerTypes: null },
      );
    };
    expect(await found('forms/qwen2-window-optimum')).toEqual([]);
    expect(await found('forms/qwen2-optimum')).toEqual([
      { code: 'window-not-as-configured', layers: [1], expected: 6, found: null },
    ]);
  });
});
