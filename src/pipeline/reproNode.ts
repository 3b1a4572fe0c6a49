import { makeValueInfo } from '../onnx/builder.js';
import { encodeModel } from '../onnx/read.js';
import { modelOfNode } from '../onnx/newModel.js';
import { copyModel, dropUnused } from '../onnx/rewrite.js';
import { DATA_TYPES } from '../onnx/tensorTypes.js';
import { DataType, type NodeProto } from '../onnx/types.js';
import type { Runner } from '../runners/types.js';
import type { Repro, Tensors } from '../types.js';
import type { Alone } from './alone.js';
import { unlessFailing } from './failure.js';
import { runOnce } from './once.js';

/** What the inputs of fused attention nodes are called in their schemas. */
const INPUT_NAMES: Readonly<Record<string, readonly string[]>> = {
  Attention: ['Q', 'K', 'V', 'attn_mask'],
  GroupQueryAttention: [
    'query',
    'key',
    'value',
    'past_key',
    'past_value',
    'seqlens_k',
    'total_sequence_length',
  ],
  MultiHeadAttention: ['query', 'key', 'value', 'bias', 'key_padding_mask', 'attention_bias'],
};

const OUTPUT_NAMES = ['output', 'present_key', 'present_value'];

/**
 * The fused node of an implementation as a model of its own, with what enters it; the CPU runs it too, so that two
 * providers can be held against each other.
 *
 * @param runner on the CPU
 * @returns null where the implementation is not one fused node, or the CPU has no kernel for it
 */
export async function oneNodeOf(
  { model, feeds, computeOps }: Alone,
  runner: Runner,
): Promise<Pick<Repro, 'opType' | 'model' | 'inputs' | 'output'> | null> {
  const nodes = model.graph!.node.filter(({ opType }) => computeOps.includes(opType));
  const [node] = nodes;
  const names = node && INPUT_NAMES[node.opType];
  if (!node || nodes.length > 1 || !names) return null;
  return unlessFailing(async () => {
    const entering = await evaluate(model, feeds, node, runner);
    const named = node.input.map((input, i) => ({ input, name: names[i] ?? `input${i}` }));
    const inputs = Object.fromEntries(
      named.flatMap(({ input, name }) => (input === '' ? [] : [[name, entering[input]!] as const])),
    );
    const infos = Object.entries(inputs).map(([name, { type, dims }]) =>
      makeValueInfo(name, DATA_TYPES[type], dims),
    );
    const single = modelOfNode(
      model,
      node,
      {
        input: named.map(({ input, name }) => (input === '' ? '' : name)),
        output: node.output.map((_, i) => OUTPUT_NAMES[i] ?? `output${i}`),
      },
      infos,
    );
    await runOnce(runner, single, inputs, 'making a reproduction');
    return { opType: node.opType, model: encodeModel(single), inputs, output: OUTPUT_NAMES[0]! };
  }, null);
}

/** What enters a node. */
async function evaluate(
  model: Alone['model'],
  feeds: Tensors,
  node: NodeProto,
  runner: Runner,
): Promise<Tensors> {
  const wanted = [...new Set(node.input.filter((name) => name !== ''))];
  const direct = Object.fromEntries(
    Object.entries(feeds).filter(([name]) => wanted.includes(name)),
  );
  const part = copyModel(model);
  part.graph!.output = wanted
    .filter((name) => !Object.hasOwn(direct, name))
    .map((name) => makeValueInfo(name, DataType.UNDEFINED));
  dropUnused(part.graph!);
  return { ...direct, ...(await runOnce(runner, part, feeds, 'making a reproduction')) };
}
