import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ResolvedSite } from '../../src/attention/evaluate.js';
import { mulberry32 } from '../../src/batch/random.js';
import { AttnDiffError } from '../../src/errors.js';
import { decodeModel, encodeModel } from '../../src/onnx/read.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { checkRebuild } from '../../src/pipeline/rebuildCheck.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { captureOf } from '../support/capture.js';
import { FIXTURES, fixture, reference } from '../support/fixtures.js';
import { mutate, MUTATIONS } from '../support/mutate.js';

/** Each kind of mutation twice or more, in layers and by amounts that the seed chooses. */
const PER_FIXTURE = 20;
/** Relative difference of valid logits beyond which two computations are not one. */
const DIFFERENT = 1e-5;

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'attn-diff-mutation-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const { batch } = reference('left');
const runner = inProcessRunner();

/** How far the model's own attention and the one that it is taken for part on a longer batch, valid rows only. */
async function divergence(
  loaded: LoadedModel,
  sites: readonly ResolvedSite[],
  equivalent: 'eager' | 'sdpa',
): Promise<number> {
  const run = await captureOf(loaded, sites, batch, [equivalent, 'original']);
  const [ours, theirs] = [
    run.tensor('logits', null, equivalent),
    run.tensor('logits', null, 'original'),
  ];
  const width = ours.dims[2]!;
  let worst = 0;
  for (let i = 0; i < ours.data.length; i++) {
    // The unguarded −inf mask makes padded rows' logits NaN by design; the full row tells as much.
    if (batch.kinds[Math.floor(i / width)] !== 'valid' || Number.isNaN(Number(theirs.data[i])))
      continue;
    worst = Math.max(worst, Math.abs(Number(ours.data[i]) - Number(theirs.data[i])));
  }
  return worst;
}

/** What became of a mutated model: refused, told of by a finding, or accepted with how far off it then is. */
async function judge(path: string): Promise<{ refused: string } | { accepted: number }> {
  try {
    const loaded = await loadModel(path);
    const sites = await resolveSites(loaded, runner, [batch]);
    const {
      check: { equivalent },
    } = await checkRebuild(loaded, sites, runner);
    if (sites.some(({ maskFaults }) => maskFaults.length > 0)) return { refused: 'wrong-mask' };
    return { accepted: await divergence(loaded, sites, equivalent as 'eager' | 'sdpa') };
  } catch (error) {
    if (!(error instanceof AttnDiffError)) throw error;
    return { refused: error.code };
  }
}

describe.each(FIXTURES)('%s, its graph mutated at random', (name) => {
  it(`is never taken for what it is not, in ${PER_FIXTURE} mutations`, async () => {
    const path = join(folder, name);
    cpSync(fixture(name), path, { recursive: true });
    const model = decodeModel(readFileSync(fixture(name, 'model.onnx')), name);
    const random = mulberry32(FIXTURES.indexOf(name));
    const silent: string[] = [];
    const outcomes = new Map<string, number>();
    for (let tried = 0, i = 0; tried < PER_FIXTURE; i++) {
      const mutation = MUTATIONS[i % MUTATIONS.length]!;
      const mutated = mutate(model, mutation, random);
      if (!mutated) continue;
      tried++;
      writeFileSync(join(path, 'model.onnx'), encodeModel(mutated));
      const outcome = await judge(path);
      const key = 'refused' in outcome ? outcome.refused : 'accepted';
      outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
      if ('accepted' in outcome && !(outcome.accepted <= DIFFERENT * 10))
        silent.push(`${mutation.name}: ${outcome.accepted}`);
    }
    expect(silent).toEqual([]);
    // Both ends of the test must be alive: some mutations are refused, others understood for what they are.
    expect(outcomes.get('wrong-mask') ?? 0).toBeGreaterThan(0);
    expect(outcomes.get('accepted') ?? 0).toBeGreaterThan(0);
  }, 180_000);
});
