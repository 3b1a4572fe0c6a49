import { describe, expect, it } from 'vitest';
import type { ResolvedSite } from '../../src/attention/evaluate.js';
import { streamOf } from '../../src/attention/settings.js';
import { GraphBuilder } from '../../src/onnx/builder.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { encodeModel } from '../../src/onnx/read.js';
import { copyModel, replaceUses, sortNodes } from '../../src/onnx/rewrite.js';
import { DataType } from '../../src/onnx/types.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { checkRebuild } from '../../src/pipeline/rebuildCheck.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { ImplementationName } from '../../src/types.js';
import { FIXTURES, fixture } from '../support/fixtures.js';
import { withWeights } from '../support/weights.js';

const runner = inProcessRunner();

interface Resolved {
  loaded: LoadedModel;
  sites: ResolvedSite[];
}

const known = new Map<string, Promise<Resolved>>();

/** Read once for all tests, none of which changes it. */
function resolved(name: string): Promise<Resolved> {
  const open = async (): Promise<Resolved> => {
    const loaded = await loadModel(fixture(name));
    return { loaded, sites: await resolveSites(loaded, runner) };
  };
  const found = known.get(name) ?? open();
  known.set(name, found);
  return found;
}

/** The same model with its file changed too, so that both sides of the check have the change. */
function written(loaded: LoadedModel): LoadedModel {
  return {
    ...loaded,
    unmodified: { bytes: encodeModel(loaded.graph.model), folder: loaded.folder },
  };
}

/** A model in which nodes stand between the softmax of layer 2 and what reads it; they get the mask as float32 [B,1,S,1]. */
function behindSoftmax(
  { loaded, sites }: Resolved,
  change: (builder: GraphBuilder, probabilities: string, mask: string) => string,
): LoadedModel {
  const model = copyModel(loaded.graph.model);
  const builder = new GraphBuilder(model.graph!, new OnnxGraph(model).names());
  const [probabilities] = sites[2]!.core.output as [string];
  const readers = model.graph!.node.filter(({ input }) => input.includes(probabilities));
  const mask = builder.op('Unsqueeze', [
    builder.cast('attention_mask', DataType.FLOAT),
    builder.ints(1, 3),
  ]);
  replaceUses(readers, probabilities, change(builder, probabilities, mask));
  model.graph!.node.push(...builder.nodes);
  sortNodes(model.graph!);
  return written({ ...loaded, graph: new OnnxGraph(model) });
}

describe.each(FIXTURES)('%s', (name) => {
  it('original in the rebuilt graph is the unmodified file', async () => {
    const { loaded, sites } = await resolved(name);
    const { check } = await checkRebuild(loaded, sites, runner);
    expect(check.originalRelL2).toBeLessThanOrEqual(1e-6);
    expect(check.equivalentRelL2).toBeLessThanOrEqual(1e-5);
    expect(check.equivalent).toBe(name === 'qwen2-dynamo' ? 'sdpa' : 'eager');
  });

  it.each<[string, (site: ResolvedSite) => ResolvedSite]>([
    [
      'a window that is not there',
      (site) => ({ ...site, maskSummary: { ...site.maskSummary, window: 2 } }),
    ],
    [
      'keys taken for values',
      ({ qkv, ...site }) => ({ ...site, qkv: { ...qkv, value: qkv.key! } as typeof qkv }),
    ],
    [
      'keys taken for queries',
      ({ qkv, ...site }) => ({ ...site, qkv: { ...qkv, query: qkv.key! } as typeof qkv }),
    ],
  ])('is stopped by %s in layer 2', async (_, damage) => {
    const { loaded, sites } = await resolved(name);
    const damaged = sites.map((site) => (site.layer === 2 ? damage(site) : site));
    await expect(checkRebuild(loaded, damaged, runner)).rejects.toMatchObject({
      code: expect.stringMatching(/^(rebuild-differs|rebuilt-refused|execution-failed)$/),
    });
  });

  it('is stopped by a scale that is 1 % off in layer 2, with the layer and both numbers', async () => {
    const { loaded, sites } = await resolved(name);
    const damaged = sites.map((site) =>
      site.layer === 2 ? { ...site, scale: site.scale * 1.01 } : site,
    );
    await expect(checkRebuild(loaded, damaged, runner)).rejects.toMatchObject({
      code: 'rebuild-differs',
      exitCode: 3,
      args: { layer: 2, limit: 1e-5, actual: expect.any(Number) },
    });
  });
});

const EAGER = 'qwen2-optimum-eager';

describe('what the check compares', () => {
  it('is padding too: a file whose padding rows alone are others is stopped', async () => {
    const { loaded, sites } = await resolved(EAGER);
    // p · (1.5 − mask/2): as it is on valid queries, half as much again on padding.
    const changed = behindSoftmax({ loaded, sites }, (builder, p, mask) =>
      builder.op('Mul', [
        p,
        builder.op('Sub', [builder.float(1.5), builder.op('Mul', [mask, builder.float(0.5)])]),
      ]),
    );
    await expect(checkRebuild(changed, sites, runner)).rejects.toMatchObject({
      code: 'rebuild-differs',
      args: { what: 'eager', layer: 2, clash: null, actual: expect.closeTo(0.5, 5) as number },
    });
  });

  it.each([
    ['in a bias of the keys of layer 1', 'model.layers.1.self_attn.k_proj.bias', NaN],
    ['in a norm of layer 2', 'model.layers.2.post_attention_layernorm.weight', Infinity],
  ])('is every number that is finite, where a weight is not, %s', async (_, weight, value) => {
    const { loaded, sites } = await resolved(EAGER);
    const changed = written(withWeights(loaded, { [weight]: (old, i) => (i === 3 ? value : old) }));
    const { check } = await checkRebuild(changed, sites, runner);
    // The caches of the layers before are finite, and compared.
    expect(check.originalRelL2).toBeGreaterThan(0);
    expect(check.originalRelL2).toBeLessThanOrEqual(1e-6);
    expect(check.constant).toEqual([]);
    expect(check.nonFinite).toBeGreaterThan(0);
    // A wrong scale shows at the layer before, where all is finite.
    const damaged = sites.map((site) =>
      site.layer === 0 ? { ...site, scale: site.scale * 1.01 } : site,
    );
    await expect(checkRebuild(changed, damaged, runner)).rejects.toMatchObject({
      code: 'rebuild-differs',
      args: { layer: 0, clash: null },
    });
  });

  it('goes on where the file alone makes NaN, and is stopped where eager alone would', async () => {
    const { loaded, sites } = await resolved(EAGER);
    // 0/0 on valid queries, p on padding.
    const nan = behindSoftmax({ loaded, sites }, (builder, p, mask) =>
      builder.op('Div', [
        builder.op('Mul', [p, builder.op('Sub', [builder.float(1), mask])]),
        builder.op('Sub', [builder.float(1), mask]),
      ]),
    );
    await expect(checkRebuild(nan, sites, runner)).resolves.toMatchObject({
      check: { equivalent: 'eager' },
      identical: [],
    });
    const infinite = sites.map((site) => (site.layer === 1 ? { ...site, scale: Infinity } : site));
    await expect(checkRebuild(loaded, infinite, runner)).rejects.toMatchObject({
      code: 'rebuild-differs',
      args: { what: 'eager', layer: 1, clash: { x: NaN, reference: expect.any(Number) as number } },
    });
  });
});

describe('the streams that have the bits of the file’s own nodes', () => {
  it.each<[string, readonly ImplementationName[]]>([
    // −inf and a guard: 0 on fully masked rows, as sdpa writes there.
    ['qwen2-optimum', ['sdpa']],
    ['qwen2-optimum-eager', ['eager']],
    ['qwen2-dynamo', ['sdpa']],
    // NaN on fully masked rows, which none of them has.
    ['qwen2-eager-inf', []],
    ['forms/qwen2-qdq', []],
    ['forms/qwen2-genai-fp32-cpu', []],
  ])('%s: %j', async (name, expected) => {
    const { loaded, sites } = await resolved(name);
    const { identical } = await checkRebuild(loaded, sites, runner, [
      streamOf('eager'),
      streamOf('sdpa'),
      streamOf('flash'),
    ]);
    expect(identical.map((stream) => stream.name)).toEqual(expected);
  });

  it('is eager with −inf where the file has no guard for it', async () => {
    const { loaded, sites } = await resolved('qwen2-eager-inf');
    const { identical } = await checkRebuild(loaded, sites, runner, [
      streamOf('eager', { maskFill: '-inf' }),
    ]);
    expect(identical).toHaveLength(1);
  });
});
