import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { GraphBuilder, makeValueInfo } from '../../src/onnx/builder.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { decodeModel, encodeModel } from '../../src/onnx/read.js';
import { dropUnused, replaceUses, sortNodes } from '../../src/onnx/rewrite.js';
import { DataType, type GraphProto, type ModelProto } from '../../src/onnx/types.js';
import { fixture } from './fixtures.js';

/** A form without caches, whose weights are in the file: small, and quick to change. */
export const PLAIN_FORM = 'qwen2-optimum-nopast';

export interface Change {
  graph?: (graph: GraphProto, builder: GraphBuilder) => void;
  /** Keys of config.json that replace its own. */
  config?: object;
  /** Whether nodes go that nothing needs any more. */
  prune?: boolean;
}

/** Makes model folders of {@link PLAIN_FORM} after surgery, which are gone after the tests of the file. Called at its top. */
export function surgeon(form: string = PLAIN_FORM): (name: string, change: Change) => string {
  const folder = mkdtempSync(join(tmpdir(), 'attn-diff-surgery-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  return (name, { graph: change, config = {}, prune = false }) => {
    const path = join(folder, name);
    const model = changed(form, change);
    if (prune) dropUnused(model.graph!);
    mkdirSync(path);
    writeFileSync(join(path, 'model.onnx'), encodeModel(model));
    writeFileSync(
      join(path, 'config.json'),
      JSON.stringify({
        ...(JSON.parse(readFileSync(fixture('forms', form, 'config.json'), 'utf8')) as object),
        ...config,
      }),
    );
    return path;
  };
}

function changed(form: string, change: Change['graph']): ModelProto {
  const model = decodeModel(readFileSync(fixture('forms', form, 'model.onnx')), form);
  const graph = model.graph!;
  if (!change) return model;
  const builder = new GraphBuilder(graph, new OnnxGraph(model).names());
  change(graph, builder);
  for (const [i, node] of builder.nodes.entries()) node.name = `surgery_${i}`;
  graph.node.push(...builder.nodes);
  graph.valueInfo = [];
  sortNodes(graph);
  return model;
}

/** The name of the tensor that enters the last product with weights, the head's. */
export function enteringHead(graph: GraphProto): string {
  return graph.node.findLast(({ opType }) => opType === 'MatMul')!.input[0]!;
}

/** Leaves a graph without outputs; its logits are then an inner tensor, of this name. */
export function withoutOutputs(graph: GraphProto): string {
  const inner = 'inner_logits';
  const node = graph.node.find(({ output }) => output.includes('logits'))!;
  node.output = node.output.map((name) => (name === 'logits' ? inner : name));
  replaceUses(graph.node, 'logits', inner);
  graph.output = [];
  return inner;
}

/** Has a graph give out a tensor under a name of its own; shape as declared. */
export function giveOut(
  graph: GraphProto,
  builder: GraphBuilder,
  name: string,
  tensor: string,
  shape: readonly (number | string)[],
): void {
  builder.op('Identity', [tensor]);
  builder.nodes.at(-1)!.output = [name];
  graph.output.push(makeValueInfo(name, DataType.FLOAT, shape));
}
