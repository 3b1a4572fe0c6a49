import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../src/config/index.js';
import { AttnDiffError } from '../../src/errors.js';
import type { BatchResult } from '../../src/pipeline/measure.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { runDiff } from '../../src/pipeline/run.js';
import { inProcessRunners } from '../../src/runners/inProcess.js';
import type { DiffReport } from '../../src/types.js';
import { failingRunners, type Trouble } from '../support/failingRunners.js';
import { fixture } from '../support/fixtures.js';

const OPTIONS = {
  model: fixture('qwen2-head64'),
  random: '2x12',
  padding: 'left,right',
  impl: 'eager,sdpa,flash',
};

async function run(
  troubles: readonly Trouble[],
  options: Partial<Parameters<typeof parseRunOptions>[0]> = {},
): Promise<DiffReport> {
  return runDiff(
    await prepareRun(parseRunOptions({ ...OPTIONS, ...options })),
    troubles.length === 0 ? inProcessRunners() : failingRunners(troubles),
  );
}

const crash = new AttnDiffError('runner-crashed', {
  stage: 'running the batches',
  signal: 'SIGSEGV',
});

describe('an implementation whose process ends', () => {
  it('is a row and a failed check, and the others have the numbers that they have without it', async () => {
    const [whole, without] = [
      await run([{ stream: 'sdpa', run: 0, error: crash }]),
      await run([], { impl: 'eager,flash' }),
    ];
    expect(whole.implementations.map(({ name, proof, reason }) => [name, proof, reason])).toEqual([
      ['eager', 'confirmed', null],
      ['sdpa', 'not-provable', 'failed'],
      ['flash', 'confirmed', null],
    ]);
    expect(whole.findings[0]).toEqual({
      code: 'implementation-failed',
      implementation: 'sdpa',
      failure: { kind: 'crashed', problem: 'SIGSEGV', stage: 'running the batches', batch: 'left' },
    });
    expect(whole.rows.some(({ implementation }) => implementation === 'sdpa')).toBe(false);
    const flash = (report: DiffReport): unknown[] =>
      report.rows
        .filter(({ implementation }) => implementation === 'flash')
        .toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
    expect(flash(whole)).toEqual(flash(without));
    expect(whole.effects).toEqual(without.effects);
    expect(whole.verdict.checks.filter(({ passed }) => !passed)).toEqual([
      expect.objectContaining({
        name: 'completed',
        implementation: 'sdpa',
        expected: 1,
        actual: 0,
      }),
    ]);
  });

  it('keeps what it gave before, and is not tried again', async () => {
    const report = await run([{ stream: 'sdpa', run: 1, error: crash }]);
    const batches = new Set(
      report.rows
        .filter(({ implementation }) => implementation === 'sdpa')
        .map(({ batch }) => batch),
    );
    // The lane of all fails on the second batch; alone, sdpa runs that batch as its first.
    expect([...batches]).toEqual(['left', 'right']);
    const twice = await run([
      { stream: 'sdpa', run: 1, error: crash },
      { stream: 'sdpa', run: 0, error: crash },
    ]);
    expect(twice.findings[0]).toMatchObject({
      code: 'implementation-failed',
      implementation: 'sdpa',
    });
  });

  it.each(['body', 'head'])(
    'is told from the reference, with which it shared a process: in the %s',
    async (where) => {
      const report = await run([
        { stream: 'sdpa', run: 0, ...(where === 'head' && { head: true as const }), error: crash },
      ]);
      expect(report.findings[0]).toMatchObject({
        code: 'implementation-failed',
        implementation: 'sdpa',
      });
      expect(
        new Set(report.effects.map(({ implementation, batch }) => `${implementation} ${batch}`)),
      ).toEqual(new Set(['eager left', 'flash left', 'eager right', 'flash right']));
    },
  );

  it('may fail before its first batch', async () => {
    const report = await run([{ stream: 'flash', run: -1, error: crash }]);
    expect(report.findings[0]).toMatchObject({
      code: 'implementation-failed',
      implementation: 'flash',
    });
    expect(report.rows.some(({ implementation }) => implementation === 'sdpa')).toBe(true);
  });

  it('may fail as late as in the head: the others of its lane still go through the whole batch', async () => {
    const impl = 'eager,flash:kernel=naive,flash:kernel=naive:window=none';
    const model = fixture('forms', 'qwen2-window-optimum');
    const labels = impl.split(',').slice(1) as [string, string];
    const report = await run([{ stream: labels[0], run: 0, head: true, error: crash }], {
      model,
      impl,
    });
    expect(report.findings[0]).toMatchObject({
      code: 'implementation-failed',
      implementation: labels[0],
    });
    const places = (label: string): unknown[] =>
      report.rows
        .filter(({ implementation, kind }) => implementation === label && kind === 'valid')
        .map(({ batch, tap, scope, layer }) => [batch, tap, scope, layer]);
    const whole = await run([], { model, impl });
    expect(places(labels[1])).toEqual(
      whole.rows
        .filter(({ implementation, kind }) => implementation === labels[1] && kind === 'valid')
        .map(({ batch, tap, scope, layer }) => [batch, tap, scope, layer]),
    );
    expect(
      report.effects.filter(({ implementation }) => implementation === labels[1]),
    ).toHaveLength(2);
  });

  it('has failed in a run that goes on from where it did', async () => {
    const prepared = await prepareRun(parseRunOptions(OPTIONS));
    const results: BatchResult[] = [];
    await runDiff(prepared, failingRunners([{ stream: 'sdpa', run: 0, error: crash }]), {
      onResult: (result) => results.push(result),
    });
    const { implementations, verdict } = await runDiff(prepared, inProcessRunners(), {
      done: results.slice(0, 1),
    });
    expect(implementations.find(({ name }) => name === 'sdpa')).toMatchObject({
      proof: 'not-provable',
      reason: 'failed',
      failure: { kind: 'crashed', batch: 'left' },
    });
    expect(verdict.checks.find(({ name }) => name === 'completed')).toMatchObject({
      implementation: 'sdpa',
      passed: false,
    });
  });

  it('takes the run with it where it is the reference', async () => {
    await expect(run([{ stream: 'eager', run: 0, error: crash }])).rejects.toMatchObject({
      code: 'runner-crashed',
    });
  });

  it('that leaves nothing to compare is a failure of its own', async () => {
    const report = await run([{ stream: 'flash', run: -1, error: crash }], { impl: 'eager,flash' });
    expect(report.findings.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['implementation-failed', 'nothing-compared']),
    );
    expect(report.verdict.checks.find(({ name }) => name === 'compared')).toMatchObject({
      passed: false,
    });
  });
});

describe('a kernel asked for by name', () => {
  it('runs in a lane of its own, held against the reference’s Q, K, V there', async () => {
    const [apart, together] = [
      await run([], { impl: 'eager,sdpa,flash:kernel=naive,original,exact' }),
      await run([], { impl: 'eager,sdpa,flash,original,exact' }),
    ];
    const rowsOf = (report: DiffReport, name: string): unknown[] =>
      report.rows
        .filter(({ implementation, kind }) => implementation === name && kind === 'valid')
        .map(({ layer, tap, scope, batch, tokens }) => ({ layer, tap, scope, batch, tokens }));
    expect(rowsOf(apart, 'flash:kernel=naive')).toEqual(rowsOf(together, 'flash'));
    // In this process the variable that chooses the kernel has no effect, so that the very same kernel runs in both.
    const numbers = (report: DiffReport, name: string): number[] =>
      report.rows
        .filter(({ implementation }) => implementation === name)
        .flatMap(({ relL2, exactRelL2 }) => [relL2, exactRelL2]);
    expect(numbers(apart, 'flash:kernel=naive')).toEqual(numbers(together, 'flash'));
    for (const name of ['sdpa', 'original', 'exact'])
      expect(numbers(apart, name)).toEqual(numbers(together, name));
  });

  it('the file’s own nodes run on the reference’s inputs there, not on their own', async () => {
    const options = { model: fixture('forms', 'qwen2-genai-fp32-cpu'), padding: 'right' };
    const [own, other] = [
      await run([], {
        ...options,
        impl: 'flash:precision=bf16,original',
        reference: 'flash:precision=bf16',
      }),
      await run([], {
        ...options,
        impl: 'flash:precision=bf16:kernel=naive,original',
        reference: 'flash:precision=bf16:kernel=naive',
      }),
    ];
    const numbers = (report: DiffReport): unknown[] =>
      report.rows
        .filter(({ implementation }) => implementation === 'original')
        .map(({ layer, tap, scope, kind, relL2, exactRelL2 }) => ({
          layer,
          tap,
          scope,
          kind,
          relL2,
          exactRelL2,
        }));
    expect(numbers(other)).toEqual(numbers(own));
    expect(
      own.rows.filter(
        ({ implementation, scope }) => implementation === 'original' && scope === 'local',
      ).length,
    ).toBeGreaterThan(0);
  });

  it('that parts by a setting is not called a faulty kernel: its twin on the CPU parts too', async () => {
    const { findings } = await run([], {
      model: fixture('forms', 'qwen2-window-optimum'),
      random: '2x20',
      padding: 'right',
      impl: 'eager,flash:window=5:kernel=naive',
    });
    expect(findings.find(({ code }) => code === 'kernel-fault')).toBeUndefined();
    expect(findings.find(({ code }) => code === 'window-mismatch')).toMatchObject({
      implementation: 'flash:window=5:kernel=naive',
      layers: [1],
      firstToken: 5,
      deviation: { kind: 'window', to: 5 },
    });
  });
});
