import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recogniseSites } from '../../src/attention/recognise/index.js';
import { GraphBuilder } from '../../src/onnx/builder.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { decodeModel, encodeModel } from '../../src/onnx/read.js';
import { replaceUses, setOpset, sortNodes } from '../../src/onnx/rewrite.js';
import type { ModelProto } from '../../src/onnx/types.js';
import { loadModel } from '../../src/pipeline/load.js';
import { checkRebuild } from '../../src/pipeline/rebuildCheck.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { repeatKv } from '../../src/attention/implementations/repeatKv.js';
import { capture, relativeL2 } from '../support/capture.js';
import { fixture, reference } from '../support/fixtures.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'attn-diff-mha-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/**
 * The eager export with each site's attention replaced by a MultiHeadAttention node, as a fusion would: no exporter
 * that installs here writes one for this family.
 */
function fused(attributes: Record<string, bigint> = {}): ModelProto {
  const model = decodeModel(
    readFileSync(fixture('qwen2-optimum-eager', 'model.onnx')),
    'model.onnx',
  );
  const graph = model.graph!;
  const index = new OnnxGraph(model);
  const builder = new GraphBuilder(graph, index.names());
  const nodes = [...graph.node];
  for (const site of recogniseSites(index, 4, 'model.onnx')) {
    if (site.qkv.kind !== 'heads' || site.mask.kind !== 'tensor')
      throw new Error('not the export expected');
    const flat = (tensor: string): string =>
      builder.reshapeTo(builder.transpose(tensor, 0, 2, 1, 3), 0, 0, 64);
    const { query, key, value } = site.qkv;
    const inputs = [
      flat(query),
      flat(repeatKv(builder, key, 4, 2)),
      flat(repeatKv(builder, value, 4, 2)),
      '',
      '',
      site.mask.tensor,
    ];
    const output = builder.op(
      'MultiHeadAttention',
      inputs,
      { num_heads: 4n, ...attributes },
      'com.microsoft',
    );
    replaceUses(
      nodes,
      site.output,
      builder.transpose(builder.reshapeTo(output, 0, 0, 4, 16), 0, 2, 1, 3),
    );
  }
  graph.node.push(...builder.nodes);
  sortNodes(graph);
  setOpset(model, 'com.microsoft', 1);
  // What the fusion left without a reader must go, or the old softmax would be found as well.
  const used = new Set([
    ...graph.output.map(({ name }) => name),
    ...graph.node.flatMap(({ input }) => input),
  ]);
  for (let before = -1; before !== graph.node.length;) {
    before = graph.node.length;
    graph.node = graph.node.filter(({ output }) => output.some((name) => used.has(name)));
    used.clear();
    for (const name of [
      ...graph.output.map(({ name: output }) => output),
      ...graph.node.flatMap(({ input }) => input),
    ])
      used.add(name);
  }
  return model;
}

describe('com.microsoft MultiHeadAttention', () => {
  it('is taken apart, and its eager is Hugging Face’s', async () => {
    cpSync(fixture('qwen2-optimum-eager'), folder, { recursive: true });
    writeFileSync(join(folder, 'model.onnx'), encodeModel(fused()));
    const loaded = await loadModel(folder);
    expect(loaded.sites.map(({ form }) => form)).toEqual(
      Array.from({ length: 4 }, () => 'multi-head-attention'),
    );
    const runner = inProcessRunner();
    const { check } = await checkRebuild(loaded, await resolveSites(loaded, runner), runner);
    expect(check.equivalent).toBe('eager');
    const { batch, tensors } = reference('left');
    const run = await capture(folder, batch, ['eager', 'flash']);
    expect(
      relativeL2(run.tensor('logits', null, 'eager'), tensors.get('eager.logits')!, () => true),
    ).toBeLessThanOrEqual(1e-5);
    expect(
      relativeL2(
        run.tensor('logits', null, 'flash'),
        tensors.get('sdpa.logits')!,
        (token) => batch.kinds[token] === 'valid',
      ),
    ).toBeLessThanOrEqual(1e-5);
  });
});
