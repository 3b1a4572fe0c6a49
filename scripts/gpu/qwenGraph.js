// The graph of a Qwen2 model as exporters write it: attention decomposed, rotary embedding in
// single nodes, keys and values repeated for their queries. Weights lie in an external file.
import { create } from '@bufbuild/protobuf';
import { StringStringEntryProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { newModel } from '../../dist/onnx/newModel.js';
import { makeValueInfo } from '../../dist/onnx/builder.js';
import { DataLocation, DataType } from '../../dist/onnx/types.js';

const MASKED = -3.4028234663852886e38;
const EPSILON = 1e-6;
const FLOAT_BYTES = 4;
/** Where memory is mapped, a tensor has to begin at a page. */
const PAGE = 4096;

/** Standard deviations; those of queries and keys make scores of a few units, as trained ones. */
const SPREAD = { embedding: 1, projection: 0.02, queryKey: 0.05, bias: 0.1 };

/**
 * @param shape sizes, as HALF_BILLION
 * @param location the file of the weights, beside the model
 * @returns the model, and what has to be written to that file: for each tensor its offset, its
 *   number of floats, and what it holds (a standard deviation, or one value throughout)
 */
export function qwenGraph(shape, location) {
  const weights = [];
  let end = 0;
  const { model } = newModel(
    'qwen2',
    (builder) => {
      const weight = (name, dims, content) => {
        const count = dims.reduce((a, b) => a * b, 1);
        weights.push({ name, dims, offset: end, count, ...content });
        end += Math.ceil((count * FLOAT_BYTES) / PAGE) * PAGE;
        return name;
      };
      return logits(builder, shape, weight);
    },
    { '': 18 },
  );
  for (const each of weights) model.graph.initializer.push(externalTensor(each, location));
  const dims = ['batch_size', 'sequence_length', shape.vocabulary];
  model.graph.output = [makeValueInfo('logits', DataType.FLOAT, dims)];
  model.graph.node.at(-1).output = ['logits'];
  return { model, weights };
}

function externalTensor({ name, dims, offset, count }, location) {
  const fields = { location, offset: `${offset}`, length: `${count * FLOAT_BYTES}` };
  return create(TensorProtoSchema, {
    name,
    dataType: DataType.FLOAT,
    dims: dims.map(BigInt),
    dataLocation: DataLocation.EXTERNAL,
    externalData: Object.entries(fields).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
  });
}

function logits(builder, shape, weight) {
  const { layers, hidden, vocabulary } = shape;
  const ids = builder.input('input_ids', DataType.INT64, ['batch_size', 'sequence_length']);
  const rows = builder.input('attention_mask', DataType.INT64, ['batch_size', 'sequence_length']);
  const places = builder.input('position_ids', DataType.INT64, ['batch_size', 'sequence_length']);
  const embedding = weight('embed_tokens.weight', [vocabulary, hidden], { std: SPREAD.embedding });
  const mask = builder.within('mask', () => additiveMask(builder, ids, rows));
  const rotary = builder.within('rotary', () => angles(builder, places, shape));
  let state = builder.op('Gather', [embedding, ids]);
  for (let layer = 0; layer < layers; layer++) {
    const own = (name, dims, content) => weight(`layers.${layer}.${name}`, dims, content);
    state = builder.within(`layers.${layer}`, () =>
      decoderLayer(builder, state, { shape, weight: own, mask, rotary }),
    );
  }
  const last = norm(builder, state, weight('norm.weight', [hidden], { value: 1 }));
  const head = weight('lm_head.weight', [hidden, vocabulary], { std: SPREAD.projection });
  return builder.op('MatMul', [last, head]);
}

/** 0 where a query may attend to a key, the smallest float32 elsewhere: [batch, 1, queries, keys]. */
function additiveMask(builder, ids, rows) {
  const length = builder.op('Gather', [builder.op('Shape', [ids]), builder.int(1)]);
  const range = builder.op('Range', [builder.int(0), length, builder.int(1)]);
  const queries = builder.op('Unsqueeze', [range, builder.ints(1)]);
  const keys = builder.op('Unsqueeze', [range, builder.ints(0)]);
  const causal = builder.op('LessOrEqual', [keys, queries]);
  const valid = builder.op('Unsqueeze', [builder.cast(rows, DataType.BOOL), builder.ints(1, 2)]);
  const allowed = builder.op('And', [causal, valid]);
  return builder.op('Where', [allowed, builder.float(0), builder.float(MASKED)]);
}

/** Cosines and sines for every position: [batch, 1, length, head size]. */
function angles(builder, places, { headDim }) {
  const half = headDim / 2;
  const steps = Array.from({ length: half }, (_, i) => 1_000_000 ** (-i / half));
  const frequencies = builder.floats(steps, [1, 1, half]);
  const position = builder.cast(builder.op('Unsqueeze', [places, builder.ints(2)]), DataType.FLOAT);
  const turn = builder.op('Mul', [position, frequencies]);
  const both = builder.op('Concat', [turn, turn], { axis: -1n });
  const perHead = builder.op('Unsqueeze', [both, builder.ints(1)]);
  return { cos: builder.op('Cos', [perHead]), sin: builder.op('Sin', [perHead]) };
}

function norm(builder, state, weight) {
  const square = builder.op('Pow', [state, builder.float(2)]);
  const mean = builder.op('ReduceMean', [square, builder.ints(-1)], { keepdims: 1n });
  const root = builder.op('Sqrt', [builder.op('Add', [mean, builder.float(EPSILON)])]);
  return builder.op('Mul', [weight, builder.op('Div', [state, root])]);
}

function decoderLayer(builder, state, { shape, weight, mask, rotary }) {
  const { hidden, intermediate } = shape;
  const inward = weight('input_layernorm.weight', [hidden], { value: 1 });
  const entering = norm(builder, state, inward);
  const attended = builder.op('Add', [
    state,
    builder.within('self_attn', () =>
      attention(builder, entering, { shape, weight, mask, rotary }),
    ),
  ]);
  const between = weight('post_attention_layernorm.weight', [hidden], { value: 1 });
  const middle = norm(builder, attended, between);
  const linear = (input, name, dims) =>
    builder.op('MatMul', [input, weight(`mlp.${name}.weight`, dims, { std: SPREAD.projection })]);
  const gate = linear(middle, 'gate_proj', [hidden, intermediate]);
  const silu = builder.op('Mul', [gate, builder.op('Sigmoid', [gate])]);
  const product = builder.op('Mul', [silu, linear(middle, 'up_proj', [hidden, intermediate])]);
  return builder.op('Add', [attended, linear(product, 'down_proj', [intermediate, hidden])]);
}

function attention(builder, entering, { shape, weight, mask, rotary }) {
  const { hidden, heads, kvHeads, headDim } = shape;
  const project = (name, count, std) => {
    const width = count * headDim;
    const product = builder.op('MatMul', [
      entering,
      weight(`${name}.weight`, [hidden, width], { std }),
    ]);
    const bias = weight(`${name}.bias`, [width], { std: SPREAD.bias });
    const byHead = builder.reshapeTo(builder.op('Add', [product, bias]), 0, 0, count, headDim);
    return builder.transpose(byHead, 0, 2, 1, 3);
  };
  const queries = rotated(builder, project('q_proj', heads, SPREAD.queryKey), rotary, headDim);
  const keys = rotated(builder, project('k_proj', kvHeads, SPREAD.queryKey), rotary, headDim);
  const values = project('v_proj', kvHeads, SPREAD.projection);
  const transposed = builder.transpose(repeated(builder, keys, shape), 0, 1, 3, 2);
  const scores = builder.op('Mul', [
    builder.op('MatMul', [queries, transposed]),
    builder.float(1 / Math.sqrt(headDim)),
  ]);
  const weights = builder.op('Softmax', [builder.op('Add', [scores, mask])], { axis: -1n });
  const mixed = builder.op('MatMul', [weights, repeated(builder, values, shape)]);
  const joined = builder.reshapeTo(builder.transpose(mixed, 0, 2, 1, 3), 0, 0, heads * headDim);
  const out = weight('o_proj.weight', [heads * headDim, hidden], { std: SPREAD.projection });
  return builder.op('MatMul', [joined, out]);
}

function rotated(builder, tensor, { cos, sin }, headDim) {
  const part = (from, to) =>
    builder.op('Slice', [tensor, builder.ints(from), builder.ints(to), builder.ints(3)]);
  const first = part(0, headDim / 2);
  const second = builder.op('Neg', [part(headDim / 2, headDim)]);
  const turned = builder.op('Concat', [second, first], { axis: -1n });
  return builder.op('Add', [builder.op('Mul', [tensor, cos]), builder.op('Mul', [turned, sin])]);
}

/** Every head of keys or values as often as queries share it. */
function repeated(builder, tensor, { heads, kvHeads, headDim }) {
  const apart = builder.op('Unsqueeze', [tensor, builder.ints(2)]);
  const wide = builder.op('Expand', [apart, builder.ints(1, 1, heads / kvHeads, 1, 1)]);
  return builder.reshapeTo(wide, 0, heads, -1, headDim);
}
