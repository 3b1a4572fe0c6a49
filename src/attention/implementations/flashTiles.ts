import type { GraphBuilder } from '../../onnx/builder.js';
import { DataType } from '../../onnx/types.js';
import { rounded } from '../rounding.js';
import { flushed } from './flush.js';
import { repeatKv } from './repeatKv.js';
import { softcapped } from './softcap.js';
import type { AttentionInputs } from './types.js';

/** Doublings of the running maximum: enough for 2¹² tiles. */
const DOUBLINGS = 12;

/**
 * The forward pass of FlashAttention-2 (Dao 2023, arXiv 2307.08691, algorithm 1) with the rounding of its kernels.
 * Keys come in tiles of `flashBlock`. With m_j the largest score of a query up to tile j, P_j = exp(S_j − m_j) is in
 * fp32; l = Σ_j exp(m_j − m)·rowsum(P_j) adds P_j as it is, O = Σ_j exp(m_j − m)·round(P_j)·V_j adds it rounded; the
 * output is round(O / l). All tiles are computed side by side: the kernel's rescaling from tile to tile is the
 * product of these exponentials, but for fp32 rounding.
 *
 * @param inputs unpadded: query [R,H,L,D], key and value [R,Hkv,L,D], valid tokens in front
 * @param seqlensK int32 [R]: number of each row's valid tokens − 1
 * @returns [R,H,L,D]; rows behind the last valid token hold numbers that nobody looks at
 */
export function flashTiles(
  builder: GraphBuilder,
  inputs: AttentionInputs,
  seqlensK: string,
): string {
  const {
    query,
    heads,
    kvHeads,
    scale,
    softcap,
    sinks,
    mask,
    settings,
    trace = () => undefined,
  } = inputs;
  const { precision, flashBlock } = settings;
  const length = builder.op('Shape', [query], { start: 2n, end: 3n });
  const block = builder.ints(flashBlock);
  const missing = builder.op('Mod', [
    builder.op('Sub', [block, builder.op('Mod', [length, block])]),
    block,
  ]);
  const padding = builder.op('Concat', [builder.ints(0, 0, 0, 0, 0, 0), missing, builder.ints(0)], {
    axis: 0n,
  });
  const padded = (tensor: string): string =>
    builder.op('Pad', [repeatKv(builder, tensor, heads, kvHeads), padding]);
  const [key, value] = [padded(inputs.key), padded(inputs.value)];

  const scores = builder.op('MatMul', [query, builder.transpose(key, 0, 1, 3, 2)]);
  trace('scores', scores);
  const scaled = softcapped(builder, builder.op('Mul', [scores, builder.float(scale)]), softcap);
  trace('scaled', scaled);
  const masked = builder.op('Where', [
    visible(builder, length, builder.op('Add', [length, missing]), mask, seqlensK),
    scaled,
    builder.float(-Infinity),
  ]);
  trace('masked', masked);
  // [R,H,L,tiles,block]
  const tiles = builder.op('Reshape', [masked, builder.ints(0, 0, 0, -1, flashBlock)]);
  const upTo = runningMax(
    builder,
    builder.op('ReduceMax', [tiles, builder.ints(4)], { keepdims: 0n }),
  );
  const sink = sinks === null ? null : builder.floats(sinks, [1, sinks.length, 1, 1]);
  const highest = builder.op('ReduceMax', [upTo, builder.ints(3)], { keepdims: 1n });
  const largest = sink === null ? highest : builder.op('Max', [highest, sink]);
  const column = (tensor: string): string => builder.op('Unsqueeze', [tensor, builder.ints(4)]);
  // Before a query's first key its maximum is −inf, and −inf − −inf is not a number: the kernel takes 0 there too.
  const shift = builder.op('Where', [
    builder.op('Equal', [upTo, builder.float(-Infinity)]),
    builder.float(0),
    upTo,
  ]);
  const powers = builder.op('Exp', [builder.op('Sub', [tiles, column(shift)])]);
  const rescale = builder.op('Exp', [builder.op('Sub', [upTo, largest])]);
  const sums = builder.op('ReduceSum', [powers, builder.ints(4)], { keepdims: 0n });
  const ofKeys = builder.op('ReduceSum', [builder.op('Mul', [sums, rescale]), builder.ints(3)], {
    keepdims: 1n,
  });
  const total =
    sink === null
      ? ofKeys
      : builder.op('Add', [ofKeys, builder.op('Exp', [builder.op('Sub', [sink, largest])])]);
  const weights = flushed(builder, rounded(builder, powers, precision), settings);
  const joined = builder.op('Reshape', [
    builder.op('Mul', [weights, column(rescale)]),
    builder.ints(0, 0, 0, -1),
  ]);
  trace('probabilities', joined);
  const output = rounded(
    builder,
    builder.op('Div', [builder.op('MatMul', [joined, value]), total]),
    precision,
  );
  trace('output', output);
  return output;
}

/**
 * bool [L, keys], or [R,1,L,keys] in both directions: which slots a slot attends to. Causally none before the last valid
 * token attends to those behind it; else they are masked.
 */
function visible(
  builder: GraphBuilder,
  length: string,
  keys: string,
  { window, causal, shift }: AttentionInputs['mask'],
  seqlensK: string,
): string {
  const range = (end: string): string =>
    builder.op('Range', [builder.int(0), builder.op('Squeeze', [end]), builder.int(1)]);
  const queries = builder.op('Unsqueeze', [
    builder.op('Add', [range(length), builder.int(shift)]),
    builder.ints(1),
  ]);
  const slots = builder.op('Unsqueeze', [range(keys), builder.ints(0)]);
  const distance = builder.op('Sub', [queries, slots]);
  const past = causal
    ? builder.op('GreaterOrEqual', [distance, builder.int(0)])
    : builder.op('LessOrEqual', [
        slots,
        builder.reshapeTo(builder.cast(seqlensK, DataType.INT64), -1, 1, 1, 1),
      ]);
  return window === null
    ? past
    : builder.op('And', [past, builder.op('Less', [distance, builder.int(window)])]);
}

/** The largest of each value and those before it along the last axis, by doubling. */
function runningMax(builder: GraphBuilder, tensor: string): string {
  let running = tensor;
  for (let step = 1; step < 2 ** DOUBLINGS; step *= 2) {
    const behind = builder.op('Pad', [
      running,
      builder.ints(0, 0, 0, step, 0, 0, 0, 0),
      builder.float(-Infinity),
    ]);
    running = builder.op('Max', [
      running,
      builder.op('Slice', [behind, builder.ints(0), builder.ints(-step), builder.ints(3)]),
    ]);
  }
  return running;
}
