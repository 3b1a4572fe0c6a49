import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { parseRunOptions, type RawRunOptions } from '../../src/config/index.js';
import { attribute, isOp, OnnxGraph } from '../../src/onnx/graph.js';
import { GraphBuilder } from '../../src/onnx/builder.js';
import { decodeModel, encodeModel } from '../../src/onnx/read.js';
import { replaceUses, sortNodes } from '../../src/onnx/rewrite.js';
import type { ModelProto, NodeProto } from '../../src/onnx/types.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { runDiff } from '../../src/pipeline/run.js';
import { inProcessRunner, inProcessRunners } from '../../src/runners/inProcess.js';
import type { DiffReport, TensorData, Tensors } from '../../src/types.js';
import { fixture } from './fixtures.js';

export interface Surgery {
  /** The fixture that is changed. */
  base?: string;
  model?: (model: ModelProto) => void;
  config?: (config: Record<string, unknown>) => unknown;
}

/** A copy of a fixture, its graph and config.json changed, for the length of one test; its path. */
export function operated({ base = 'qwen2-optimum-eager', model: edit, config }: Surgery): string {
  const folder = join(mkdtempSync(join(tmpdir(), 'attn-diff-surgery-')), base);
  onTestFinished(() => rmSync(join(folder, '..'), { recursive: true }));
  cpSync(fixture(base), folder, { recursive: true });
  if (config) {
    const path = join(folder, 'config.json');
    writeFileSync(
      path,
      JSON.stringify(config(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)),
    );
  }
  if (edit) {
    const path = join(folder, 'model.onnx');
    const model = decodeModel(readFileSync(path), path);
    edit(model);
    writeFileSync(path, encodeModel(model));
  }
  return folder;
}

/** Runs a folder's model in this process; one batch of 2 × 6 random tokens, left-padded, unless told otherwise. */
export async function runOn(model: string, options: RawRunOptions = {}): Promise<DiffReport> {
  return runDiff(
    await prepareRun(parseRunOptions({ model, random: '2x6', padding: 'left', ...options })),
    inProcessRunners(),
  );
}

/** What ONNX Runtime gives for a folder's model as it is. */
export async function asItIs(folder: string, feeds: Tensors): Promise<Tensors> {
  const session = await inProcessRunner().open(
    { model: { path: join(folder, 'model.onnx') } },
    'test',
  );
  const outputs = await session.run(feeds);
  await session.close();
  return outputs;
}

/** Puts nodes behind a tensor, for all that read it or for some. */
export function behind(
  model: ModelProto,
  tensor: string,
  build: (builder: GraphBuilder) => string,
  isReader: (node: NodeProto) => boolean = () => true,
): void {
  const builder = new GraphBuilder(model.graph!, new OnnxGraph(model).names());
  const readers = new OnnxGraph(model)
    .consumers(tensor)
    .filter((node) => !isOp(node, 'Shape') && isReader(node));
  const made = build(builder);
  replaceUses(readers, tensor, made);
  model.graph!.node.push(...builder.nodes);
  sortNodes(model.graph!);
}

export function nodesOf(model: ModelProto, ...opTypes: string[]): NodeProto[] {
  return model.graph!.node.filter((node) => isOp(node, ...opTypes));
}

/** The softmax of a layer that the fixture writes out. */
export function softmaxOf(model: ModelProto, layer: number): NodeProto {
  return nodesOf(model, 'Softmax')[layer]!;
}

export function intAttribute(node: NodeProto, name: string): number {
  return Number(attribute(node, name)?.i);
}

export function numbers({ data }: TensorData): number[] {
  return Array.from(data as ArrayLike<number | bigint>, Number);
}
