import type { GraphBuilder } from '../onnx/builder.js';
import { DataType } from '../onnx/types.js';
import type { AttentionPrecision } from '../types.js';
import { repeatKv } from './implementations/repeatKv.js';
import { withoutSinks, withSinks } from './implementations/sinks.js';
import { softcapped } from './implementations/softcap.js';
import type { AttentionInputs } from './implementations/types.js';
import { rounded } from './rounding.js';
import { lateAxes } from './lateAxes.js';

/** The rows of a range probe's output, in order; {@link buildRangeProbe} says what each is. */
export const RANGE_ROWS = [
  'maxScore',
  'maxKey',
  'entropySum',
  'rowSumError',
  'zeros',
  'pairs',
  'weightsL2Sum',
  'queries',
] as const;

type RangeInputs = Pick<
  AttentionInputs,
  'query' | 'key' | 'heads' | 'kvHeads' | 'scale' | 'softcap'
> &
  Partial<Pick<AttentionInputs, 'sinks'>>;

interface RangeMask {
  /** bool [B|1,1|H,S,T]: true where the query may look at the key. */
  allowed: string;
  /** bool [B,1,S,1]: true on the queries that count. */
  valid: string;
  /** float32 of the form of `allowed`: what a mask adds to the scores where it allows; null or left out without. */
  bias?: string | null;
}

/** The smallest normal float32, so that ln 0 is never asked for; what it adds to a probability of 2e-31 or more is nothing. */
const TINY = 2 ** -126;

/**
 * Adds the nodes that reduce one layer's scores, keys and attention probabilities to a few numbers per query head.
 * Scores are fp32 QKᵀ; p is the fp32 softmax of the scaled, capped and biased scores with −inf where a key is not
 * allowed, sinks among them; p′ is p rounded to `precision`. Each query head has, over the batch:
 *
 * - maxScore = max |q·k|, unscaled, over valid queries and all keys, masked ones included
 * - maxKey = max |K| over all keys of the head's key/value head
 * - entropySum = Σ −Σ p ln p over counted queries, nats, with 0 ln 0 = 0
 * - rowSumError = max over counted queries of |Σ p′ − 1|, summed in float64, the sink's share included
 * - zeros = allowed (query, key) pairs of counted queries where p′ is exactly 0; ONNX Runtime's fp32 softmax itself
 *   writes 0 for what lies below the smallest normal float32
 * - pairs = allowed (query, key) pairs of counted queries
 * - weightsL2Sum = Σ ‖p‖₂ over counted queries
 * - queries = counted queries: the valid ones that may look at a key
 *
 * A NaN or infinite number stays one in whatever is made of it: an infinite score is an infinite maxScore, and NaN in
 * the sums. Queries that do not count are left out whatever they hold. `zeros` alone counts and so passes over NaN,
 * which entropySum then shows.
 *
 * @param inputs float32 query [B,H,S,D] and key [B,Hkv,T,D]
 * @returns the name of a float64 tensor [RANGE_ROWS, H]
 */
export function buildRangeProbe(
  builder: GraphBuilder,
  inputs: RangeInputs,
  mask: RangeMask,
  precision: AttentionPrecision,
): string {
  const { query, key, heads, kvHeads, scale, softcap, sinks = null } = inputs;
  const double = (tensor: string): string => builder.cast(tensor, DataType.DOUBLE);
  const overKeys = (opType: string, tensor: string): string =>
    builder.op(opType, [tensor, builder.ints(3)]);
  const where = (condition: string, tensor: string, type: 'float32' | 'float64'): string =>
    builder.op('Where', [condition, tensor, builder.float(0, type)]);

  const scores = productApart(
    builder,
    query,
    builder.transpose(repeatKv(builder, key, heads, kvHeads), 0, 1, 3, 2),
  );
  const scaled = softcapped(builder, builder.op('Mul', [scores, builder.float(scale)]), softcap);
  const biased = mask.bias == null ? scaled : builder.op('Add', [scaled, mask.bias]);
  const masked = builder.op('Where', [mask.allowed, biased, builder.float(-Infinity)]);
  const all = builder.op('Softmax', [withSinks(builder, masked, sinks)], { axis: -1n });
  const probabilities = withoutSinks(builder, all, sinks);
  const low = rounded(builder, probabilities, precision);

  const pairs = overKeys('ReduceSum', double(mask.allowed));
  const counted = builder.op('And', [
    mask.valid,
    builder.op('Greater', [pairs, builder.float(0, 'float64')]),
  ]);
  const sum = (perQuery: string): string =>
    builder.op('ReduceSum', [where(counted, perQuery, 'float64'), builder.ints(0, 2)]);
  const everyHead = (tensor: string): string =>
    builder.op('Expand', [tensor, builder.ints(1, heads, 1, 1)]);

  const plnp = builder.op('Mul', [
    probabilities,
    builder.op('Log', [builder.op('Add', [probabilities, builder.float(TINY)])]),
  ]);
  const excess = builder.op('Sub', [
    overKeys('ReduceSum', double(sinks === null ? low : rounded(builder, all, precision))),
    builder.float(1, 'float64'),
  ]);
  // Ceil makes 1 of all that is not 0; what is masked is 0 too, and so is not counted.
  const nonZero = double(overKeys('ReduceSum', builder.op('Ceil', [low])));

  const rows: Record<(typeof RANGE_ROWS)[number], string> = {
    maxScore: double(
      largest(builder, where(mask.valid, largest(builder, scores, 3), 'float32'), 0, 2),
    ),
    maxKey: double(repeatKv(builder, largest(builder, key, 0, 2, 3), heads, kvHeads)),
    entropySum: builder.op('Sub', [
      builder.float(0, 'float64'),
      sum(double(overKeys('ReduceSum', plnp))),
    ]),
    rowSumError: largest(builder, where(counted, excess, 'float64'), 0, 2),
    zeros: sum(builder.op('Sub', [pairs, nonZero])),
    pairs: everyHead(sum(pairs)),
    weightsL2Sum: sum(double(overKeys('ReduceL2', probabilities))),
    queries: everyHead(builder.op('ReduceSum', [double(counted), builder.ints(0, 2)])),
  };
  return builder.reshapeTo(
    builder.op(
      'Concat',
      RANGE_ROWS.map((row) => rows[row]),
      { axis: 0n },
    ),
    RANGE_ROWS.length,
    heads,
  );
}

/**
 * A MatMul of [B,H,·,·] tensors, done as [1,B,H,·,·]. ONNX Runtime makes one node of two that are alike, under the
 * name of either; were eager's own QKᵀ to run under the probe's, a profile would not show that eager ran it.
 */
function productApart(builder: GraphBuilder, left: string, right: string): string {
  return builder.op('Squeeze', [
    builder.op('MatMul', [builder.op('Unsqueeze', [left, builder.ints(0)]), right]),
    lateAxes(builder, left, 0),
  ]);
}

/**
 * max |x| over some axes, which are kept with length 1. ONNX Runtime's ReduceMax passes over NaN, so the sum of all
 * |x| is asked too: it is NaN exactly where one of them is.
 */
function largest(builder: GraphBuilder, tensor: string, ...axes: number[]): string {
  const size = builder.op('Abs', [tensor]);
  const sum = builder.op('ReduceSum', [size, builder.ints(...axes)]);
  return builder.op('Where', [
    builder.op('IsNaN', [sum]),
    sum,
    builder.op('ReduceMax', [size, builder.ints(...axes)]),
  ]);
}
