import { describe, expect, it } from 'vitest';
import { compareRuns, savedRun } from '../../src/gate/index.js';
import { compareSchema } from '../../src/report/compareSchema.js';
import { COMPARE_RENDERERS } from '../../src/report/index.js';
import { displayWidth } from '../../src/report/text/width.js';
import type { Comparison, DiffReport } from '../../src/types.js';
import { sampleReport, withoutGuard } from './sample.js';

const plain = { width: 100, color: false };
const LIMIT = 65_536;

function compared(a: DiffReport, b: DiffReport, factor: number | null = null): Comparison {
  return compareRuns(
    { path: 'before.json', report: a, run: savedRun(a) },
    { path: 'after.json', report: b, run: savedRun(b) },
    factor,
  );
}

function withEffects(report: DiffReport, loss: number, kl: number): DiffReport {
  const effect = { targets: 82, perplexity: Math.exp(loss), flips: 0 };
  const effects = report.batches.flatMap(({ name: batch }) => [
    { ...effect, batch, implementation: 'eager', loss: 2.5, kl: 0 },
    {
      ...effect,
      batch,
      implementation: 'sdpa',
      loss,
      kl,
      flips: kl > 1e-3 || Number.isNaN(kl) ? 7 : 0,
    },
  ]);
  return { ...report, effects };
}

const BEFORE = withEffects(sampleReport(), 2.5, 1e-13);
/** Another export: sdpa NaN from layer 1 on, flash further off at layer 1, another kernel and another ONNX Runtime. */
const after = sampleReport({
  edit: (row) =>
    row.implementation === 'flash' && row.layer === 1 && row.kind === 'valid'
      ? { ...row, relL2: row.relL2 * 1000 }
      : withoutGuard(row),
});
const AFTER: DiffReport = {
  ...withEffects(after, NaN, NaN),
  model: {
    ...after.model,
    path: 'exports/step-2000',
    exporter: 'pytorch 2.13.0 (dynamo)',
    opset: 20,
    sha256: 'd'.repeat(64),
  },
  environment: { ...after.environment, onnxruntime: '1.31.0' },
  implementations: after.implementations.map((info) =>
    info.name === 'flash' ? { ...info, kernel: 'GroupQueryAttention (naive)' } : info,
  ),
};

/** Many batches and long names. */
function long(report: DiffReport): DiffReport {
  const name = `flash@webgpu:kernel=${'k'.repeat(60)}`;
  const batches = Array.from({ length: 30 }, (_, i) => ({
    ...report.batches[0]!,
    name: `batch ${i}`,
  }));
  const rows = batches.flatMap((batch, i) =>
    report.rows
      .filter((row) => row.batch === 'left')
      .map((row) => ({
        ...row,
        batch: batch.name,
        relL2: row.relL2 * (i + 1),
        implementation: row.implementation === 'flash' ? name : row.implementation,
      })),
  );
  const effects = batches.flatMap((batch) =>
    report.effects
      .filter((row) => row.batch === 'left')
      .map((row) => ({ ...row, batch: batch.name })),
  );
  return {
    ...report,
    batches,
    rows,
    effects,
    implementations: report.implementations.map((info) =>
      info.name === 'flash' ? { ...info, name } : info,
    ),
  };
}

const COMPARISONS: Record<string, Comparison> = {
  changed: compared(BEFORE, AFTER),
  regressed: compared(BEFORE, AFTER, 1.5),
  same: compared(BEFORE, BEFORE),
  'same numbers': compared(BEFORE, { ...BEFORE, model: { ...BEFORE.model, path: 'elsewhere' } }, 2),
  'other layers': compared(BEFORE, withEffects(sampleReport({ layers: 4 }), 2.6, 0.01)),
  'many batches, long names': compared(long(BEFORE), long(AFTER), 1.5),
  'another reference': compared(BEFORE, { ...BEFORE, reference: 'sdpa' }),
};

describe('two runs as text', () => {
  it.each([80, 120])('are what a reader has approved of, %i columns wide', async (width) => {
    await expect(
      COMPARE_RENDERERS.text(COMPARISONS['regressed']!, { width, color: false }),
    ).toMatchFileSnapshot(`golden/compare-${width}.txt`);
  });

  it.each(Object.keys(COMPARISONS))('fit the terminal: %s', (name) => {
    for (const width of [60, 80, 120]) {
      const all = COMPARE_RENDERERS.text(COMPARISONS[name]!, { width, color: true }).split('\n');
      expect(all.filter((line) => displayWidth(line) > width)).toEqual([]);
    }
  });

  it('say that nothing differs', () => {
    const text = COMPARE_RENDERERS.text(COMPARISONS['same']!, plain);
    expect(text).toContain(
      'The two are the same: nothing differs in what was run, and all numbers are equal, bit for bit.',
    );
    expect(text).not.toMatch(/otherwise|Relative L2|\n[+-] /);
    const numbers = COMPARE_RENDERERS.text(COMPARISONS['same numbers']!, plain);
    expect(numbers).toContain('All numbers are equal, bit for bit.');
    expect(numbers).toContain('model, path\n- fixtures/eager/model.onnx\n+ elsewhere\n');
    expect(numbers).toContain('PASSED: nothing in after.json regressed.');
  });

  it('show what changed alone, NaN by name, and how much was left out', () => {
    const text = COMPARE_RENDERERS.text(COMPARISONS['changed']!, plain);
    expect(text).toMatch(/^ +1 +attention +sdpa .* NaN +NaN .* 0 +2,624$/m);
    expect(text).not.toMatch(/^ +0 +attention +sdpa/m);
    expect(text).toMatch(/^left +sdpa +2\.5000 +NaN +NaN /m);
    expect(text).toMatch(/Left out: \d+ places where the numbers of both are equal/);
    expect(text).toContain('before.json PASSED; after.json FAILED.');
    expect(text).not.toContain('regression');
  });

  it('name what only one has, and a reference that differs', () => {
    const text = COMPARE_RENDERERS.text(COMPARISONS['other layers']!, plain);
    expect(text).toMatch(/Not compared: \d+ rows in B alone\./);
    expect(text).toContain('model, layers\n- 2\n+ 4\n');
    expect(COMPARE_RENDERERS.text(COMPARISONS['another reference']!, plain)).toContain(
      'Relative L2 is against eager in A and against sdpa in B',
    );
  });

  it('show of many batches the worst of each run, and predictions over all', () => {
    const text = COMPARE_RENDERERS.text(COMPARISONS['many batches, long names']!, {
      ...plain,
      width: 120,
    });
    expect(text.match(/^Batch /gm)).toEqual(['Batch ']);
    expect(text).toContain('Batch the worst of 30 in each');
    expect(text).toMatch(/^ +1 +attention +sdpa .* 0 +78,720$/m);
    expect(text).toMatch(/^all 30 +sdpa +2\.5000 +NaN/m);
  });
});

describe('two runs as Markdown', () => {
  it('are what a reader has approved of', async () => {
    await expect(COMPARE_RENDERERS.markdown(COMPARISONS['regressed']!, plain)).toMatchFileSnapshot(
      'golden/compare.md',
    );
  });

  it('fit a comment of GitHub, whatever there is, and say what was left out', () => {
    for (const comparison of Object.values(COMPARISONS))
      expect(COMPARE_RENDERERS.markdown(comparison, plain).length).toBeLessThan(LIMIT);
    const deep = compared(
      sampleReport({ layers: 120 }),
      sampleReport({
        layers: 120,
        edit: (row) =>
          ({ ...row, relL2: row.relL2 * (1 + (row.layer ?? 0)), model: undefined }) as typeof row,
      }),
      1.5,
    );
    const text = COMPARE_RENDERERS.markdown(deep, plain);
    expect(text.length).toBeLessThan(LIMIT);
    expect(text).toMatch(/Left out to fit: [\d,]+ of [\d,]+ lines, those that changed least\./);
    expect(text).toContain('| 119 | hidden |');
    expect(text).not.toContain('| 1 | hidden |');
  });

  it('write a path so that it shows just itself', () => {
    const text = COMPARE_RENDERERS.markdown(
      compareRuns(
        { path: 'a`|<b>-->', report: null, run: savedRun(BEFORE) },
        { path: 'b', report: null, run: savedRun(AFTER) },
        null,
      ),
      plain,
    );
    expect(text).toContain('<!-- attn-diff compare a`|<b&gt;--&gt; b -->');
    expect(text).toContain('A is <code>a\\`&#124;&lt;b&gt;--&gt;</code>');
  });
});

describe('two runs as JSON', () => {
  it.each(Object.keys(COMPARISONS))(
    'are a document of its schema, and come back as they were: %s',
    (name) => {
      const text = COMPARE_RENDERERS.json(COMPARISONS[name]!, plain);
      expect(
        compareSchema.decode(JSON.parse(text) as Parameters<typeof compareSchema.decode>[0]),
      ).toEqual(COMPARISONS[name]);
    },
  );
});
