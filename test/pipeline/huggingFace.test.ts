import { afterAll, describe, expect, it } from 'vitest';
import { childRunners } from '../../dist/runners/childProcess.js';
import { streamOf } from '../../src/attention/settings.js';
import type { PaddingSide } from '../../src/types.js';
import { capture, relativeL2, type Captured } from '../support/capture.js';
import { FIXTURES, fixture, reference } from '../support/fixtures.js';
import { SWIFTSHADER, WITHOUT_WEBGPU } from '../support/webgpu.js';

const SIDES: PaddingSide[] = ['left', 'right'];

/** Largest relative L2 over every layer's taps and the logits, against Hugging Face's own outputs. */
function worst(
  run: Captured,
  ours: string,
  theirs: string,
  side: PaddingSide,
  keep: (token: number) => boolean,
  file: string = side,
): number {
  const { tensors } = reference(side, file);
  const layers = run.loaded.sites.map(({ layer }) => layer);
  const errors = layers.flatMap((layer) =>
    (['attention', 'hidden'] as const).map((tap) =>
      relativeL2(
        run.tensor(tap, layer, ours),
        tensors.get(`${theirs}.layers.${layer}.${tap}`)!,
        keep,
      ),
    ),
  );
  errors.push(relativeL2(run.tensor('logits', null, ours), tensors.get(`${theirs}.logits`)!, keep));
  return errors.reduce((a, b) => (b <= a ? a : b));
}

describe.each(FIXTURES)('%s against transformers in PyTorch', (name) => {
  it.each(SIDES)(
    '%s-padded: eager is Hugging Face’s eager on every row, sdpa and flash are its sdpa on valid rows',
    async (side) => {
      const { batch } = reference(side);
      const run = await capture(fixture(name), batch, ['eager', 'sdpa', 'flash', 'exact']);
      const valid = (token: number): boolean => batch.kinds[token] === 'valid';
      expect(worst(run, 'eager', 'eager', side, () => true)).toBeLessThanOrEqual(1e-5);
      expect(worst(run, 'sdpa', 'sdpa', side, valid)).toBeLessThanOrEqual(1e-5);
      expect(worst(run, 'flash', 'sdpa', side, valid)).toBeLessThanOrEqual(1e-5);
      expect(worst(run, 'exact', 'sdpa', side, valid)).toBeLessThanOrEqual(1e-5);
    },
  );
});

it('would see a scale that is 0.1 % off', async () => {
  const { batch, tensors } = reference('left');
  const run = await capture(fixture('qwen2-optimum'), batch, ['eager']);
  const attention = run.tensor('attention', 0, 'eager');
  const scaled = {
    ...attention,
    data: Float32Array.from(attention.data as Float32Array, (x) => x * 1.001),
  };
  expect(relativeL2(scaled, tensors.get('eager.layers.0.attention')!, () => true)).toBeGreaterThan(
    5e-4,
  );
});

describe('qwen2-head64 against transformers in PyTorch', () => {
  const { batch } = reference('right', 'head64');
  const valid = (token: number): boolean => batch.kinds[token] === 'valid';
  const error = (run: Captured, stream: string, keep = valid): number =>
    worst(run, stream, 'eager', 'right', keep, 'head64');

  it('on the CPU: eager on every row, the others on valid ones', async () => {
    const run = await capture(fixture('qwen2-head64'), batch, ['eager', 'sdpa', 'flash', 'exact']);
    expect(error(run, 'eager', () => true)).toBeLessThanOrEqual(1e-5);
    for (const stream of ['sdpa', 'flash', 'exact'])
      expect(error(run, stream)).toBeLessThanOrEqual(1e-5);
  });

  describe.skipIf(WITHOUT_WEBGPU !== null)(
    `on WebGPU${WITHOUT_WEBGPU === null ? '' : `: ${WITHOUT_WEBGPU}`}`,
    () => {
      const runners = childRunners();
      afterAll(() => runners.stop());

      it('eager is as near as its sine and cosine allow, and flash is not near', async () => {
        const streams = (['eager', 'flash'] as const).map((name) =>
          streamOf(name, { provider: 'webgpu' }),
        );
        const run = await capture(fixture('qwen2-head64'), batch, streams, {
          runner: runners.at({ provider: 'webgpu', environment: SWIFTSHADER! }),
        });
        // WGSL promises sin and cos to 2^-11 = 4.9e-4, absolute; they are at most 1.
        expect(error(run, 'eager', () => true)).toBeLessThanOrEqual(2 ** -11);
        expect(error(run, 'flash')).toBeGreaterThan(0.01);
      });
    },
  );
});
