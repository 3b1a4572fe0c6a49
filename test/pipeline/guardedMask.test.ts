import { describe, expect, it } from 'vitest';
import { judge } from '../../src/gate/index.js';
import { inspect } from '../../src/pipeline/inspect.js';
import { findingText } from '../../src/report/findingText.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { Finding } from '../../src/types.js';
import { sampleReport } from '../report/sample.js';
import { gateOf } from '../support/gate.js';
import { fixture } from '../support/fixtures.js';

const FOUND: Finding = { code: 'guarded-inf-mask', layers: [0, 1, 2, 3] };

describe('a file that adds −inf and sets NaN to 0 after the softmax', () => {
  it('is named with its layers', async () => {
    expect((await inspect(fixture('qwen2-optimum'), inProcessRunner())).findings).toEqual([FOUND]);
    expect(findingText({ ...FOUND, layers: [2] }, 'eager')).toMatch(
      /^For training only: layer 2 adds −inf to masked scores and sets NaN to 0 after the softmax;/,
    );
  });

  it.each([
    ['no guard', 'qwen2-eager-inf'],
    ['a finite fill', 'qwen2-optimum-eager'],
    ['an operator that masks', 'qwen2-dynamo'],
  ])('is told from one with %s', async (_, name) => {
    expect((await inspect(fixture(name), inProcessRunner())).findings).toEqual([]);
  });

  it('fails no run unless that is asked for', () => {
    const passes = (levels: Record<string, 'error'>): boolean =>
      judge({ ...sampleReport(), findings: [FOUND] }, gateOf({ findings: levels })).passed;
    expect([passes({}), passes({ 'guarded-inf-mask': 'error' })]).toEqual([true, false]);
  });
});
