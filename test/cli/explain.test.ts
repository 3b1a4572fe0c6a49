import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { call, report, run } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

const flat = (text: string): string => text.replaceAll(/\s+/g, ' ');

describe('explain', () => {
  it('says that there is nothing to explain, and what to use', async () => {
    const { code, stdout, stderr, left } = await call([
      'explain',
      '--model',
      fixture('qwen2-optimum'),
      '--padding',
      'left',
    ]);
    expect({ code, stderr, left }).toEqual({ code: EXIT.passed, stderr: '', left: [] });
    expect(stdout).toContain('there is no divergence to explain');
    expect(flat(stdout)).toContain('Training flash (attn_implementation="flash_attention_2")');
  });

  it('names the cause, the one at fault and the remedy: large scores in bf16', async () => {
    const args = [
      'explain',
      '--model',
      fixture('qwen2-large-scores'),
      '--precision',
      'bf16',
      '--padding',
      'left',
    ];
    const { code, stdout, stderr } = await call(args);
    expect({ code, stderr }).toEqual({ code: EXIT.gateFailed, stderr: '' });
    expect(stdout).toMatch(/^scores in fp32 +0 +100 %$/m);
    expect(flat(stdout)).toMatch(
      /eager, batch left: it rounded its scores before the softmax .* Compute QKᵀ in fp32 \(eager:scores=fp32 here/,
    );
    expect(flat(stdout)).toContain(
      'Weights none of these is fit: only eager returns attention weights; with --scores-precision fp32 eager may be',
    );
    expect(stdout).toContain('Against   eager: low-precision-scores');
    const cured = await call([...args, '--scores-precision', 'fp32']);
    expect(cured.stdout).toContain('there is no divergence to explain');
    expect(flat(cured.stdout)).toContain('Weights eager (attn_implementation="eager")');
  });

  it('has the exit code of run, and the same report as JSON, every layer explained', async () => {
    const args = [
      '--model',
      fixture('qwen2-optimum'),
      '--impl',
      'eager:softmax=bf16',
      '--padding',
      'right',
      '--max-abs',
      '1e-9',
    ];
    const [explained, ran] = [
      await report(['explain', ...args], run),
      await report(['run', ...args]),
    ];
    expect([explained.code, ran.code]).toEqual([EXIT.gateFailed, EXIT.gateFailed]);
    expect(explained.report.explanations.map(({ layer }) => layer)).toEqual([0, 1, 2, 3]);
    expect(ran.report.explanations).toEqual(explained.report.explanations.slice(0, 1));
    expect(explained.report.findings).toMatchObject([
      {
        code: 'softmax-precision',
        implementation: 'eager:softmax=bf16',
        against: 'eager',
        layers: [0, 1, 2, 3],
      },
      { code: 'guarded-inf-mask' },
    ]);
    expect(explained.report.command).toEqual(['explain', ...ran.report.command.slice(1)]);
    const differing = { explanations: null, timing: null, command: null };
    expect({ ...explained.report, ...differing }).toEqual({ ...ran.report, ...differing });
  });
});
