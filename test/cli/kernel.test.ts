import { describe, expect, it } from 'vitest';
import { fixture } from '../support/fixtures.js';
import { run } from '../support/cli.js';
import type { DiffReport } from '../../src/types.js';

async function report(env: Record<string, string>): Promise<DiffReport> {
  const { stdout } = await run(['run', '--model', fixture('qwen2-optimum'), '--impl', 'eager,flash', '--random', '1x8', '--padding', 'right', '--format', 'json'], { env });
  return JSON.parse(stdout) as DiffReport;
}

describe('the kernel behind flash', () => {
  it('is proven to be the flash kernel', async () => {
    const { implementations, findings } = await report({});
    expect(implementations.find(({ name }) => name === 'flash')).toMatchObject({ kernel: 'GroupQueryAttention (flash)', evidence: expect.stringContaining('bits differ from the naive kernel') });
    expect(findings.map(({ code }) => code)).not.toContain('kernel-fallback');
  });

  it('is a finding where ONNX Runtime was told to take another', async () => {
    const { implementations, findings } = await report({ ORT_GQA_DISABLE_FLASH_ATTENTION: '1' });
    expect(implementations.find(({ name }) => name === 'flash')).toMatchObject({ kernel: 'GroupQueryAttention (naive)' });
    expect(findings[0]).toEqual({ code: 'kernel-fallback', implementation: 'flash', asked: { provider: 'cpu', kernel: 'flash' }, kernel: 'GroupQueryAttention (naive)', provider: 'cpu', reason: 'other-kernel' });
  });
});
