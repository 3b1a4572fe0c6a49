import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { historyLine, historyRun, readHistory } from '../../../src/report/index.js';
import type { DiffReport } from '../../../src/types.js';
import { notANumber, sampleReport, withoutGuard } from '../sample.js';
import { anyRun, run } from './sample.js';

const when = { time: new Date('2026-02-03T04:05:06.789Z'), label: 'step-1000' };

/** Loss and ranges as the runs of a model have them. */
function report(more: Partial<DiffReport> = {}): DiffReport {
  const effect = (
    batch: string,
    implementation: string,
    targets: number,
    loss: number,
    kl: number,
    flips: number,
  ): DiffReport['effects'][number] => ({
    batch,
    implementation,
    targets,
    loss,
    perplexity: Math.exp(loss),
    kl,
    flips,
  });
  const range = (
    layer: number,
    maxScore: number,
    head: number | null = null,
  ): DiffReport['ranges'][number] => ({
    batch: 'left',
    layer,
    head,
    maxScore,
    scaledScore: maxScore / 8,
    headroom: 65504 / maxScore,
    maxKey: 1,
    entropy: 1,
    rowSumError: 0,
    underflow: 0,
    weightsL2: 1,
  });
  return {
    ...sampleReport(),
    effects: [
      effect('left', 'eager', 10, 2, 0, 0),
      effect('right', 'eager', 30, 4, 0, 0),
      effect('left', 'flash', 10, 3, 0.1, 1),
      effect('right', 'flash', 30, 4, 0.3, 2),
    ],
    ranges: [range(0, 100), range(1, 400), range(1, 900, 3), range(2, 200)],
    ...more,
  };
}

describe('what a history keeps of a run', () => {
  it('is the worst of each implementation, and what it does to the next token', () => {
    const kept = historyRun(report(), when);
    expect(kept).toMatchObject({
      time: '2026-02-03T04:05:06.789Z',
      label: 'step-1000',
      model: { path: 'fixtures/eager/model.onnx', sha256: 'a'.repeat(64) },
      reference: 'eager',
      passed: true,
      failedChecks: 0,
    });
    const flash = kept.implementations.find(({ name }) => name === 'flash')!;
    // By sampleRow: local 3e-7 / 2 in every layer; accumulated 3 · 1.37e-7 · depth / 2, and the logits are deepest.
    expect(flash.local).toEqual({
      relL2: expect.closeTo(1.5e-7, 12) as number,
      limit: 1e-5,
      batch: 'left',
      layer: 0,
      tap: 'attention',
    });
    expect(flash.accumulated).toMatchObject({ layer: null, tap: 'logits', batch: 'left' });
    // (10 · 3 + 30 · 4) / 40 − (10 · 2 + 30 · 4) / 40, and KL (10 · 0.1 + 30 · 0.3) / 40
    expect(flash.effect).toEqual({ targets: 40, loss: 3.75, deltaLoss: 0.25, kl: 0.25, flips: 3 });
    expect(kept.implementations.find(({ name }) => name === 'sdpa')!.effect).toBeNull();
    expect(kept.range).toEqual({ maxScore: 400, headroom: 65504 / 400, batch: 'left', layer: 1 });
  });

  it('has no distance of the reference from itself', () => {
    expect(historyRun(report(), when).implementations[0]).toMatchObject({
      name: 'eager',
      local: null,
      accumulated: null,
      nonFinite: 0,
    });
  });

  it('keeps NaN: as the worst of all, as a count, and as a loss', () => {
    const nan = report(sampleReport({ edit: withoutGuard }));
    const withLoss = {
      ...nan,
      effects: report().effects.map((row) =>
        row.implementation === 'flash' && row.batch === 'left'
          ? { ...row, loss: NaN, kl: NaN }
          : row,
      ),
      ranges: report().ranges.map((row) =>
        row.layer === 0 ? { ...row, maxScore: NaN, headroom: NaN } : row,
      ),
    };
    const kept = historyRun(withLoss, when);
    const sdpa = kept.implementations.find(({ name }) => name === 'sdpa')!;
    expect(sdpa.accumulated).toMatchObject({ relL2: NaN, batch: 'left' });
    expect(sdpa.nonFinite).toBe(
      nan.rows
        .filter(
          (row) =>
            row.implementation === 'sdpa' && row.kind === 'valid' && row.scope === 'accumulated',
        )
        .reduce((sum, row) => sum + row.nan, 0),
    );
    expect(sdpa.faults).toContain('fully-masked-nan');
    expect(kept.implementations.find(({ name }) => name === 'flash')!.effect).toMatchObject({
      loss: NaN,
      deltaLoss: NaN,
      kl: NaN,
      flips: 3,
    });
    expect(kept.range).toMatchObject({ maxScore: NaN, layer: 0 });
    expect(kept).toMatchObject({ passed: false, failedChecks: 1 });
  });

  it('does not take padding for what a training run sees', () => {
    const padded = report(
      sampleReport({ edit: (row) => (row.kind === 'valid' ? row : notANumber(row)) }),
    );
    for (const { nonFinite, accumulated } of historyRun(padded, when).implementations)
      expect([nonFinite, Number.isNaN(accumulated?.relL2)]).toEqual([0, false]);
  });

  it('has another set-up where batches or settings are others, and the same where numbers are', () => {
    const { setup } = historyRun(report(), when);
    expect(
      historyRun(
        { ...report({ effects: [], ranges: [] }), timing: { loadSeconds: 9, runSeconds: 9 } },
        { time: new Date(), label: 'another' },
      ).setup,
    ).toBe(setup);
    const { batches, implementations } = report();
    const others: Partial<DiffReport>[] = [
      { batches: [{ ...batches[0]!, sha256: 'd'.repeat(64) }, batches[1]!] },
      { implementations: implementations.map((each) => ({ ...each, precision: 'bf16' as const })) },
      { reference: 'sdpa' },
    ];
    for (const other of others) expect(historyRun(report(other), when).setup).not.toBe(setup);
  });
});

describe('a history', () => {
  it('comes back from its lines, with NaN and infinite numbers', () => {
    fc.assert(
      fc.property(fc.array(anyRun, { minLength: 1, maxLength: 4 }), (runs) => {
        const lines = runs.map(historyLine);
        for (const line of lines) expect(line).toMatch(/^[^\n]+\n$/);
        expect(readHistory(lines.join(''), 'h.jsonl')).toEqual({ runs, torn: [] });
      }),
    );
  });

  it('may have a line that was cut off, anywhere, with the next run on a line of its own', () => {
    const [first, last] = [historyLine(run('first')), historyLine(run('last'))];
    for (let length = 1; length < last.length - 1; length++) {
      const part = last.slice(0, length);
      expect(readHistory(first + part, 'h')).toMatchObject({
        runs: [{ label: 'first' }],
        torn: [2],
      });
      expect(readHistory(`${part}\n${first}`, 'h')).toMatchObject({
        runs: [{ label: 'first' }],
        torn: [1],
      });
    }
    expect(readHistory(first + last.trimEnd(), 'h')).toMatchObject({
      runs: [{ label: 'first' }, { label: 'last' }],
      torn: [],
    });
    expect(readHistory(`\n${first}\r\n\n`, 'h').runs).toHaveLength(1);
  });

  it.each([
    ['', null, 'it holds no run'],
    ['\n \n', null, 'it holds no run'],
    ['{"schema":"attn', null, 'every line was cut off while it was written'],
    ['# Title\n', 1, 'it is no JSON'],
    [
      '\n{"schema":"attn-diff/report/v1"}',
      2,
      'its schema is attn-diff/report/v1, not attn-diff/history-run/v1',
    ],
    ['[]', 1, 'its schema is not named, not attn-diff/history-run/v1'],
    ['null', 1, 'its schema is not named, not attn-diff/history-run/v1'],
    [
      historyLine(run('x')).replace('"passed":true', '"passed":1'),
      1,
      expect.stringMatching(/^passed: /),
    ],
    [
      historyLine(run('x')).replace('"relL2":1e-7', '"relL2":"nan"'),
      1,
      expect.stringMatching(/^implementations\.1\.local\.relL2: /),
    ],
    [
      historyLine(run('x')).replace('"time":"2026-01-31T23:59:30.123Z"', '"time":"yesterday"'),
      1,
      expect.stringMatching(/^time: /),
    ],
  ])('is refused where it is none: %j', (text, line, problem) => {
    expect(() => readHistory(text, 'h.jsonl')).toThrow(
      expect.objectContaining({
        code: 'history-unreadable',
        exitCode: 2,
        args: { path: 'h.jsonl', line, problem: problem as string },
      }) as Error,
    );
  });
});
