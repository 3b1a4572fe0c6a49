import { describe, expect, it } from 'vitest';
import type { ResolvedSite } from '../../src/attention/evaluate.js';
import { loadModel } from '../../src/pipeline/load.js';
import { checkRebuild, relativeL2 } from '../../src/pipeline/rebuildCheck.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { FIXTURES, fixture } from '../support/fixtures.js';

const runner = inProcessRunner();

async function resolved(name: string): Promise<{ loaded: Awaited<ReturnType<typeof loadModel>>; sites: ResolvedSite[] }> {
  const loaded = await loadModel(fixture(name));
  return { loaded, sites: await resolveSites(loaded, runner) };
}

describe.each(FIXTURES)('%s', (name) => {
  it('original in the rebuilt graph is the unmodified file', async () => {
    const { loaded, sites } = await resolved(name);
    const check = await checkRebuild(loaded, sites, runner);
    expect(check.originalRelL2).toBeLessThanOrEqual(1e-6);
    expect(check.equivalentRelL2).toBeLessThanOrEqual(1e-5);
    expect(check.equivalent).toBe(name === 'qwen2-dynamo' ? 'sdpa' : 'eager');
  });

  it.each<[string, (site: ResolvedSite) => ResolvedSite]>([
    ['a scale that is 1 % off', (site) => ({ ...site, scale: site.scale * 1.01 })],
    ['a window that is not there', (site) => ({ ...site, maskSummary: { ...site.maskSummary, window: 2 } })],
    ['keys taken for values', ({ qkv, ...site }) => ({ ...site, qkv: { ...qkv, value: qkv.key! } as typeof qkv })],
    ['keys taken for queries', ({ qkv, ...site }) => ({ ...site, qkv: { ...qkv, query: qkv.key! } as typeof qkv })],
  ])('is stopped by %s in layer 2', async (_, damage) => {
    const { loaded, sites } = await resolved(name);
    const damaged = sites.map((site) => (site.layer === 2 ? damage(site) : site));
    await expect(checkRebuild(loaded, damaged, runner)).rejects.toMatchObject({ code: expect.stringMatching(/^(rebuild-differs|rebuilt-refused|execution-failed)$/) });
  });

  it('names the layer and both numbers', async () => {
    const { loaded, sites } = await resolved(name);
    const damaged = sites.map((site) => (site.layer === 2 ? { ...site, scale: site.scale * 1.01 } : site));
    await expect(checkRebuild(loaded, damaged, runner)).rejects.toMatchObject({ code: 'rebuild-differs', exitCode: 3, args: { layer: 2, limit: 1e-5, actual: expect.any(Number) } });
  });
});

describe('relative L2 of logits', () => {
  const of = (...values: number[]): { type: 'float32'; dims: number[]; data: Float32Array } => ({ type: 'float32', dims: [values.length], data: Float32Array.from(values) });
  it('takes NaN in the same places for the same result', () => expect(relativeL2(Float32Array.of(1, NaN), of(1, NaN))).toBe(0));
  it('takes NaN anywhere else for a difference beyond any limit', () => {
    expect(relativeL2(Float32Array.of(1, NaN), of(1, 2))).toBe(Infinity);
    expect(relativeL2(Float32Array.of(1, 2), of(1, NaN))).toBe(Infinity);
    expect(relativeL2(Float32Array.of(Infinity), of(-Infinity))).toBe(Infinity);
  });
  it('refuses other shapes', () => expect(relativeL2(Float32Array.of(1), of(1, 2))).toBe(Infinity));
  it('is ‖x − ref‖/‖ref‖', () => expect(relativeL2(Float32Array.of(3, 5), of(3, 4))).toBeCloseTo(0.2, 12));
});
