import type { GraphBuilder } from '../../onnx/builder.js';
import type { DataType } from '../../onnx/types.js';
import type { AttentionInputs } from './types.js';

/** The inputs as a deviation of the settings has them; those that concern the mask or rounding are in there already. */
export function deviated(builder: GraphBuilder, inputs: AttentionInputs): AttentionInputs {
  const {
    query,
    key,
    value,
    heads,
    kvHeads,
    headDim,
    scale,
    settings: { deviation },
  } = inputs;
  const ordered = (tensor: string, order: readonly number[]): string =>
    builder.op('Gather', [tensor, builder.ints(...order)], { axis: 1n });
  switch (deviation?.kind) {
    case 'scale':
      return { ...inputs, scale: scale * deviation.factor };
    case 'head-order':
      return { ...inputs, query: ordered(query, deviation.order) };
    case 'kv-mapping': {
      const order = Array.from({ length: heads }, (_, head) => head % kvHeads);
      return { ...inputs, key: ordered(key, order), value: ordered(value, order), kvHeads: heads };
    }
    case 'positions':
      return {
        ...inputs,
        query: turned(builder, query, deviation.by, deviation.inverseFrequencies, headDim),
      };
    default:
      return inputs;
  }
}

/** The output with the NaN of a `nan` deviation: the first element of one head on the last token. */
export function spoiled(
  builder: GraphBuilder,
  output: string,
  { heads, headDim, settings: { deviation } }: AttentionInputs,
  type: DataType,
): string {
  if (deviation?.kind !== 'nan') return output;
  const length = builder.op('Squeeze', [builder.op('Shape', [output], { start: 2n, end: 3n })]);
  const tokens = builder.op('Range', [builder.int(0), length, builder.int(1)]);
  const last = builder.reshapeTo(
    builder.op('Equal', [tokens, builder.op('Sub', [length, builder.int(1)])]),
    -1,
    1,
  );
  const at = (size: number, index: number, ...dims: number[]): string =>
    builder.reshapeTo(
      builder.op('Equal', [
        builder.ints(...Array.from({ length: size }, (_, i) => i)),
        builder.int(index),
      ]),
      ...dims,
    );
  const place = builder.op('And', [
    builder.op('And', [at(heads, deviation.head, heads, 1, 1), last]),
    at(headDim, 0, 1, headDim),
  ]);
  return builder.op('Where', [place, builder.cast(builder.float(NaN), type), output]);
}

/** Queries as if they stood `by` positions further on: each pair (x_i, x_{i+D/2}) turned by by·f_i, as Qwen2's rotary embedding does. */
function turned(
  builder: GraphBuilder,
  query: string,
  by: number,
  inverseFrequencies: readonly number[],
  headDim: number,
): string {
  const half = headDim / 2;
  const row = (of: (angle: number) => number): string => {
    const values = inverseFrequencies.map((frequency) =>
      builder.reshapeTo(builder.float(of(by * frequency)), 1),
    );
    return builder.op('Concat', values, { axis: 0n });
  };
  const [cos, sin] = [row(Math.cos), row(Math.sin)];
  const [a, b] = builder.ops('Split', [query, builder.ints(half, half)], 2, { axis: -1n }) as [
    string,
    string,
  ];
  const times = (tensor: string, factor: string): string => builder.op('Mul', [tensor, factor]);
  return builder.op(
    'Concat',
    [
      builder.op('Sub', [times(a, cos), times(b, sin)]),
      builder.op('Add', [times(b, cos), times(a, sin)]),
    ],
    { axis: -1n },
  );
}
