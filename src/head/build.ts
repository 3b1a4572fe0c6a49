import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import { unstackQuantisation } from '../attention/unstackQuantisation.js';
import { GraphBuilder, makeAttribute, makeValueInfo } from '../onnx/builder.js';
import { elementTypes } from '../onnx/elementType.js';
import { isOp, OnnxGraph } from '../onnx/graph.js';
import { raiseOpset } from '../onnx/opset.js';
import { copyModel, dropUnused, extract, replaceUses, sortNodes } from '../onnx/rewrite.js';
import { DataType, type ModelProto } from '../onnx/types.js';
import { buildHeadProbe } from './probes.js';
import type { HeadSplit } from './split.js';

/** Reductions take their axes as an input, and Split a count. */
const HEAD_OPSET = 18;
const WIDE_CUT = 'attn_diff/cut';
const ROWS = ['streams', 'tokens', 'hidden'];

export interface HeadStreams {
  /** How many streams there are. */
  count: number;
  /** Index of the stream that the others are compared with; null where another head gives its logits, and the truth's. */
  reference: number | null;
  /** Index of the stream that errors are measured from; null as above. */
  truth: number | null;
  /** Whether to return the logits of reference and truth too, for other heads. */
  share: boolean;
}

/** Logits of the reference and of the truth, float32 [1, n, vocabulary], by the names that heads have them under. */
export interface HeadExchange {
  reference: string;
  truth: string;
}

/** A model's head with probes, for n tokens at a time. */
export interface HeadModel {
  model: ModelProto;
  /** Input, float32: the cut's rows, [streams, n, hidden]; where there is a `chunk`, those of all tokens. */
  hidden: string;
  /** Input, int64 [n]: the next token of each. */
  targets: string;
  /** Input, int64 [2]: the first token and the one after the last; null for a head that needs to see only its n tokens. */
  chunk: string | null;
  /** Output, float64 [HEAD_ROWS, streams, 1, n]. */
  output: string;
  /** Inputs where the logits are given, outputs where they are shared; null for neither. */
  exchange: HeadExchange | null;
}

/**
 * Makes the language-model head a model of its own that returns statistics of its logits, not the logits. Weights
 * stay where they are. Dynamic quantisation of what enters the head looks at all tokens of a stream, as in the whole
 * model; the product with the vocabulary is made for the chunk alone.
 *
 * @param split where the head begins, behind what selects tokens; a cut at the logits themselves makes a head that only probes them
 */
export function buildHead(graph: OnnxGraph, split: HeadSplit, streams: HeadStreams): HeadModel {
  const { entering: cut, tokenwise } = split;
  const model = copyModel(
    extract(
      graph,
      [{ name: split.logits, type: DataType.UNDEFINED }],
      new Map([[cut, makeValueInfo(cut, DataType.FLOAT, ROWS)]]),
    ),
  );
  const part = model.graph!;
  part.output = [];
  raiseOpset(model, HEAD_OPSET);
  const index = new OnnxGraph(model);
  const builder = new GraphBuilder(part, index.names());
  const targets = builder.input('attn_diff/targets', DataType.INT64, ['chunk']);
  const chunk = tokenwise ? null : builder.input('attn_diff/chunk', DataType.INT64, [2]);

  let rows = cut;
  if (isHalf(graph, cut)) {
    part.input = part.input.filter(({ name }) => name !== cut);
    rows = builder.cast(builder.input(WIDE_CUT, DataType.FLOAT, ROWS), elementTypes(graph)(cut));
  }
  if (part.node.some((node) => isOp(node, 'Gemm')))
    rows = builder.op('Flatten', [rows], { axis: 2n });
  replaceUses(part.node, cut, rows);
  const logits = split.logits === cut ? rows : split.logits;
  if (chunk !== null) {
    unstackQuantisation(builder, index, streams.count);
    chooseTokens(builder, chunk);
  }
  const shape = builder.op(
    'Concat',
    [builder.ints(streams.count), builder.op('Shape', [targets]), builder.ints(-1)],
    { axis: 0n },
  );
  const shaped = builder.reshape(logits, shape);
  const slices =
    streams.count === 1
      ? [shaped]
      : builder.ops('Split', [shaped], streams.count, {
          axis: 0n,
          num_outputs: BigInt(streams.count),
        });
  const given = streams.reference === null || streams.truth === null;
  const exchange: HeadExchange | null = given
    ? { reference: logitsInput(builder, 'reference'), truth: logitsInput(builder, 'truth') }
    : null;
  const [reference, truth] = exchange
    ? [exchange.reference, exchange.truth]
    : [slices[streams.reference!]!, slices[streams.truth!]!];
  const output = builder.within('head', () =>
    buildHeadProbe(builder, slices, reference, truth, targets),
  );
  builder.output(output, DataType.DOUBLE);
  const shared = streams.share
    ? {
        reference: builder.cast(reference, DataType.FLOAT),
        truth: builder.cast(truth, DataType.FLOAT),
      }
    : null;
  for (const tensor of shared ? [shared.reference, shared.truth] : [])
    builder.output(tensor, DataType.FLOAT);

  part.node.push(...builder.nodes);
  dropUnused(part);
  sortNodes(part);
  return {
    model,
    hidden: isHalf(graph, cut) ? WIDE_CUT : cut,
    targets,
    chunk,
    output,
    exchange: exchange ?? shared,
  };
}

function logitsInput(builder: GraphBuilder, of: 'reference' | 'truth'): string {
  return builder.input(`attn_diff/${of}_logits`, DataType.FLOAT, [
    1,
    'chunk',
    `attn_diff_${of}_vocabulary`,
  ]);
}

/**
 * The graph with the cut as a float32 tensor, to be returned by the rest of the model. ONNX Runtime computes much of
 * fp16 in float32 on the CPU and rounds only where fp16 leaves the graph; a half-precision output in the middle would
 * round where the whole model does not.
 */
export function withWideCut(graph: OnnxGraph, cut: string): { graph: OnnxGraph; cut: string } {
  if (!isHalf(graph, cut)) return { graph, cut };
  const model = copyModel(graph.model);
  model.graph!.node.push(
    create(NodeProtoSchema, {
      name: WIDE_CUT,
      opType: 'Cast',
      input: [cut],
      output: [WIDE_CUT],
      attribute: [makeAttribute('to', BigInt(DataType.FLOAT))],
    }),
  );
  return { graph: new OnnxGraph(model), cut: WIDE_CUT };
}

function isHalf(graph: OnnxGraph, tensor: string): boolean {
  const type = elementTypes(graph)(tensor);
  return type === DataType.FLOAT16 || type === DataType.BFLOAT16;
}

/** Quantises all tokens, but multiplies only those of the chunk. */
function chooseTokens(builder: GraphBuilder, chunk: string): void {
  const [from, to] = builder.ops('Split', [chunk], 2, { axis: 0n, num_outputs: 2n }) as [
    string,
    string,
  ];
  for (const node of builder.nodes.filter((each) => isOp(each, 'DynamicQuantizeLinear'))) {
    const readers = builder.nodes.filter((each) => isOp(each, 'MatMulInteger'));
    replaceUses(
      readers,
      node.output[0]!,
      builder.op('Slice', [node.output[0]!, from, to, builder.ints(1)]),
    );
  }
}
