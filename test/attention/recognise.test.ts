import { describe, expect, it } from 'vitest';
import { recogniseSites } from '../../src/attention/recognise/index.js';
import { attribute, isOp, OnnxGraph } from '../../src/onnx/graph.js';
import { readModel } from '../../src/onnx/read.js';
import { copyModel } from '../../src/onnx/rewrite.js';
import { siteInputs } from '../../src/attention/site.js';
import type { ModelProto, NodeProto } from '../../src/onnx/types.js';
import { FIXTURES, fixture } from '../support/fixtures.js';
import { anonymise } from '../support/rename.js';

function sites(model: ModelProto, layers = 4): ReturnType<typeof recogniseSites> {
  return recogniseSites(new OnnxGraph(model), layers, 'model.onnx');
}

function change(model: ModelProto, edit: (nodes: NodeProto[]) => void): ModelProto {
  const copy = copyModel(model);
  edit(copy.graph!.node);
  return copy;
}

describe.each(FIXTURES)('%s', (name) => {
  it('is recognised, layer by layer', async () => {
    const found = sites(await readModel(fixture(name, 'model.onnx')));
    expect(found.map(({ layer }) => layer)).toEqual([0, 1, 2, 3]);
    expect(
      found.every(({ qkv }) => qkv.kind === 'heads' && qkv.grouped && !qkv.keyTransposed),
    ).toBe(true);
    expect(
      new Set(found.flatMap((site) => [...siteInputs(site), site.hidden, site.output])).size,
    ).toBe(20);
    expect(found[0]!.form).toBe(name === 'qwen2-dynamo' ? 'onnx-attention' : 'decomposed');
    expect(found[0]!.nanGuard).toBe(name === 'qwen2-optimum');
  });

  it('is recognised by structure alone: names that say nothing change nothing', async () => {
    const model = await readModel(fixture(name, 'model.onnx'));
    const position = (graph: OnnxGraph) => (tensor: string) =>
      graph.graph.node.indexOf(graph.producer(tensor)!);
    const places = (from: ModelProto): number[][] =>
      sites(from).map((site) =>
        [...siteInputs(site), site.hidden, site.output].map(position(new OnnxGraph(from))),
      );
    expect(places(anonymise(model))).toEqual(places(model));
  });
});

describe('what is not attention as we know it', () => {
  const load = (): Promise<ModelProto> => readModel(fixture('qwen2-optimum-eager', 'model.onnx'));
  const softmax = (nodes: NodeProto[], layer: number): NodeProto =>
    nodes.filter((node) => node.opType === 'Softmax')[layer]!;

  it('a model without any is an error', async () => {
    const model = change(await load(), (nodes) =>
      nodes.forEach(
        (node) => (node.opType = node.opType === 'Softmax' ? 'LogSoftmax' : node.opType),
      ),
    );
    expect(() => sites(model)).toThrowError(expect.objectContaining({ code: 'no-attention' }));
  });

  it('names the node that stopped it', async () => {
    const model = change(await load(), (nodes) => (attribute(softmax(nodes, 2), 'axis')!.i = 1n));
    expect(() => sites(model)).toThrowError(
      expect.objectContaining({
        code: 'site-not-recognised',
        args: expect.objectContaining({ layer: 2, node: '/model/layers.2/self_attn/Softmax' }),
      }),
    );
  });

  it('a key that nothing transposes is taken for one that is stored so', async () => {
    const model = change(await load(), (nodes) => {
      const transpose = nodes.find(
        (node) => isOp(node, 'Transpose') && attribute(node, 'perm')?.ints.join() === '0,1,3,2',
      )!;
      attribute(transpose, 'perm')!.ints = [0n, 2n, 1n, 3n];
    });
    expect(() => sites(model)).toThrowError(
      expect.objectContaining({ code: 'site-not-recognised' }),
    );
  });

  it('a count of layers other than config.json’s is an error', async () => {
    const model = await load();
    expect(() => sites(model, 5)).toThrowError(
      expect.objectContaining({ code: 'layer-count', args: { found: 4, expected: 5 } }),
    );
  });

  it('the operator of the same name in com.microsoft is another one', async () => {
    const model = change(await readModel(fixture('qwen2-dynamo', 'model.onnx')), (nodes) =>
      nodes.forEach(
        (node) => (node.domain = node.opType === 'Attention' ? 'com.microsoft' : node.domain),
      ),
    );
    expect(() => sites(model)).toThrowError(
      expect.objectContaining({ code: 'site-not-recognised' }),
    );
  });
});
