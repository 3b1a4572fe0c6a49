import type { GraphBuilder } from '../onnx/builder.js';
import { DataType } from '../onnx/types.js';

/** The numbers of an element probe, in order; {@link buildElementProbe} says what each is. */
export const ELEMENT_ROWS = [
  'nan',
  'posInf',
  'negInf',
  'largest',
  'index',
  'value',
  'rank',
] as const;

/** The numbers of a row probe, in order; {@link buildRowProbe} says what each is. */
export const ROW_ROWS = ['row', 'rank', 'nan', 'inf'] as const;

/**
 * Adds the nodes that say whether a tensor is finite, and if not where it first is not:
 *
 * - nan, posInf, negInf: 1 where any element is that, else 0
 * - largest: the largest finite magnitude, −1 where no element is finite
 * - index, value: the flat index of the first NaN or infinite element, the first preferred one where there is one, and
 *   what it is; 0 and the first element where all are finite
 * - rank: 2 where that element is preferred, 1 where it is another, 0 where all are finite
 *
 * All of it comes from IsNaN and IsInf: ONNX Runtime's ReduceMax passes over NaN, and its ArgMax finds none.
 *
 * An empty tensor is finite.
 *
 * @param tensor of any shape, and any type that can be cast to float64
 * @param type the tensor's type where it is known; float32 is read as it is, all else as float64
 * @param preferred bool, broadcastable to the tensor's shape; null to prefer none
 * @returns the name of a float64 tensor [ELEMENT_ROWS]
 */
export function buildElementProbe(
  builder: GraphBuilder,
  tensor: string,
  type: DataType,
  preferred: string | null,
): string {
  const { values, isNan, bad } = tests(builder, tensor, type);
  const rank = ranked(builder, bad, preferred);
  const any = (condition: string): string =>
    flatMax(builder, builder.cast(condition, DataType.FLOAT), builder.float(0));
  const index = builder.op('ArgMax', [flat(builder, rank, builder.float(0))], { axis: 0n });
  const rows: Record<(typeof ELEMENT_ROWS)[number], string> = {
    nan: any(isNan),
    posInf: any(builder.op('IsInf', [values], { detect_negative: 0n })),
    negInf: any(builder.op('IsInf', [values], { detect_positive: 0n })),
    largest: largestFinite(builder, values, bad, type),
    index,
    value: builder.op('Gather', [flat(builder, values, constant(builder, 0, type)), index], {
      axis: 0n,
    }),
    rank: flatMax(builder, rank, builder.float(0)),
  };
  return joined(
    builder,
    ELEMENT_ROWS.map((row) => rows[row]),
  );
}

/**
 * Adds the nodes that find the first row of an attention output with a NaN or infinite element.
 *
 * - row: the flat index b·H·S + h·S + s of the first such row, the first of the tokens asked for where there is one;
 *   0 where all are finite
 * - rank: 2 where that row is one of those tokens', 1 where it is another's, 0 where all are finite
 * - nan, inf: elements of those tokens that are NaN, infinite
 *
 * @param output float32 or float64 [B,H,S,D]
 * @param tokens bool [B,1,S,1]
 * @returns `probe`, the name of a float64 tensor [ROW_ROWS], and `row`, that of an int64 tensor [1]
 */
export function buildRowProbe(
  builder: GraphBuilder,
  output: string,
  tokens: string,
): { probe: string; row: string } {
  const { isNan, isInf, bad } = tests(builder, output, DataType.DOUBLE);
  const ranks = builder.op('ReduceMax', [ranked(builder, bad, tokens), builder.ints(3)], {
    keepdims: 0n,
  });
  const row = builder.op('ArgMax', [builder.reshapeTo(ranks, -1)], { axis: 0n });
  const count = (condition: string): string =>
    builder.op('ReduceSum', [
      builder.reshapeTo(builder.cast(builder.op('And', [condition, tokens]), DataType.DOUBLE), -1),
      builder.ints(0),
    ]);
  return {
    row,
    probe: joined(builder, [
      row,
      flatMax(builder, ranks, builder.float(0)),
      count(isNan),
      count(isInf),
    ]),
  };
}

/**
 * Adds the nodes that take one row out of a tensor.
 *
 * @param tensor [..., T], of any type that can be cast to float64
 * @param row int64 [1]: the row's flat index over all axes but the last
 * @returns the name of a float64 tensor [T]
 */
export function buildRow(builder: GraphBuilder, tensor: string, row: string): string {
  const width = builder.op('Shape', [tensor], { start: -1n });
  const rows = builder.reshape(
    tensor,
    builder.op('Concat', [builder.ints(-1), width], { axis: 0n }),
  );
  return builder.reshapeTo(
    builder.cast(builder.op('Gather', [rows, row], { axis: 0n }), DataType.DOUBLE),
    -1,
  );
}

/**
 * Adds the nodes that find a tensor's largest finite magnitude.
 *
 * @returns the name of a float64 tensor [1]; −1 where no element is finite
 */
export function buildLargest(builder: GraphBuilder, tensor: string, type: DataType): string {
  const { values, bad } = tests(builder, tensor, type);
  return builder.cast(largestFinite(builder, values, bad, type), DataType.DOUBLE);
}

/** A tensor with 0 for everything that is not finite, of the same type. */
export function buildFinite(builder: GraphBuilder, tensor: string, type: DataType): string {
  const { values, bad } = tests(builder, tensor, type);
  const finite = builder.op('Where', [bad, constant(builder, 0, type), values]);
  return type === DataType.FLOAT ? finite : builder.op('CastLike', [finite, tensor]);
}

interface Tests {
  /** float32 where the tensor is, else float64. */
  values: string;
  isNan: string;
  isInf: string;
  bad: string;
}

function tests(builder: GraphBuilder, tensor: string, type: DataType): Tests {
  const values = builder.cast(tensor, type === DataType.FLOAT ? DataType.FLOAT : DataType.DOUBLE);
  const [isNan, isInf] = [builder.op('IsNaN', [values]), builder.op('IsInf', [values])];
  return { values, isNan, isInf, bad: builder.op('Or', [isNan, isInf]) };
}

/** A number of the type that {@link tests} reads a tensor as. */
function constant(builder: GraphBuilder, value: number, type: DataType): string {
  return builder.float(value, type === DataType.FLOAT ? 'float32' : 'float64');
}

function ranked(builder: GraphBuilder, bad: string, preferred: string | null): string {
  const rank = builder.cast(bad, DataType.FLOAT);
  return preferred === null
    ? rank
    : builder.op('Add', [rank, builder.cast(builder.op('And', [bad, preferred]), DataType.FLOAT)]);
}

function largestFinite(builder: GraphBuilder, values: string, bad: string, type: DataType): string {
  const none = constant(builder, -1, type);
  return flatMax(builder, builder.op('Where', [bad, none, builder.op('Abs', [values])]), none);
}

/** The largest element of a tensor, and of one more number. */
function flatMax(builder: GraphBuilder, tensor: string, least: string): string {
  return builder.op('ReduceMax', [flat(builder, tensor, least), builder.ints(0)]);
}

/** A tensor's elements and one more behind them: there is always one. */
function flat(builder: GraphBuilder, tensor: string, last: string): string {
  return builder.op('Concat', [builder.reshapeTo(tensor, -1), builder.reshapeTo(last, 1)], {
    axis: 0n,
  });
}

function joined(builder: GraphBuilder, tensors: readonly string[]): string {
  return builder.op(
    'Concat',
    tensors.map((tensor) => builder.cast(tensor, DataType.DOUBLE)),
    { axis: 0n },
  );
}
