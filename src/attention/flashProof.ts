import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, OperatorSetIdProtoSchema } from 'onnx-buf';
import { append } from '../onnx/append.js';
import { GraphBuilder } from '../onnx/builder.js';
import { DataType, type ModelProto } from '../onnx/types.js';
import type { TensorData, Tensors } from '../types.js';
import type { HeadSizes } from './qkv.js';

/** Tokens of the proof: more than one tile of the flash kernel. */
const LENGTH = 128;

/** A graph that runs GroupQueryAttention twice on the same inputs, once so that only the naive kernel can take it. */
export interface FlashProof {
  model: ModelProto;
  feeds: Tensors;
  /** The operator as `flash` builds it. */
  asked: string;
  /** Without present outputs, which ONNX Runtime's CPU flash kernel requires. */
  naive: string;
}

/**
 * A graph that tells which kernel GroupQueryAttention takes for heads of these sizes: the flash kernel sums in tiles,
 * so its bits differ from the naive kernel's; where they are the same, the naive kernel ran.
 *
 * @param hasSinks whether the softmax has sinks, which not every kernel takes
 */
export function flashProof({ heads, kvHeads, headDim }: HeadSizes, hasSinks = false): FlashProof {
  const graph = create(GraphProtoSchema, { name: 'flash proof' });
  const builder = new GraphBuilder(graph, new Set());
  const feeds: Tensors = {
    query: wave(heads * headDim, 1),
    key: wave(kvHeads * headDim, 2),
    value: wave(kvHeads * headDim, 3),
    seqlens_k: { type: 'int32', dims: [1], data: Int32Array.of(LENGTH - 1) },
    total_length: { type: 'int32', dims: [], data: Int32Array.of(LENGTH) },
  };
  for (const [name, { type, dims }] of Object.entries(feeds))
    builder.input(name, type === 'int32' ? DataType.INT32 : DataType.FLOAT, dims);
  const attend = (outputs: number): string =>
    builder.ops(
      'GroupQueryAttention',
      [
        'query',
        'key',
        'value',
        '',
        '',
        'seqlens_k',
        'total_length',
        ...(hasSinks
          ? [
              '',
              '',
              '',
              '',
              builder.floats(
                Array.from({ length: heads }, () => 0),
                [heads],
              ),
            ]
          : []),
      ],
      outputs,
      { num_heads: BigInt(heads), kv_num_heads: BigInt(kvHeads) },
      'com.microsoft',
    )[0]!;
  const [asked, naive] = [attend(3), attend(1)];
  for (const output of [asked, naive]) builder.output(output, DataType.FLOAT);
  append(graph.node, builder.nodes);
  const opsetImport = [
    create(OperatorSetIdProtoSchema, { domain: '', version: 18n }),
    create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
  ];
  return {
    model: create(ModelProtoSchema, { irVersion: 8n, graph, opsetImport }),
    feeds,
    asked,
    naive,
  };
}

/** Numbers that no tile sums to the same bits in another order. */
function wave(width: number, phase: number): TensorData {
  return {
    type: 'float32',
    dims: [1, LENGTH, width],
    data: Float32Array.from({ length: LENGTH * width }, (_, i) => Math.sin(i * 12.9898 + phase)),
  };
}
