import type { GraphBuilder } from '../onnx/builder.js';
import { DataType } from '../onnx/types.js';
import { buildProbe, PROBE_ROWS } from '../attention/probes.js';

/** What is told of the prediction that a token's logits make. See TokenEffects for the formulas. */
const EFFECT_ROWS = ['nll', 'kl', 'top1'] as const;

/** The rows of the head's output, in order. */
export const HEAD_ROWS = [...PROBE_ROWS, ...EFFECT_ROWS] as const;

/** The last axis, the vocabulary's. */
const VOCABULARY = 2n;

/** One stream's logits as float64 log-probabilities. */
interface Distribution {
  /** x − max x: [1, n, vocabulary]. */
  shifted: string;
  /** ln Σ exp(x − max x): [1, n, 1]. */
  logSum: string;
  /** ln p = shifted − logSum. */
  logP: string;
}

/**
 * Adds the nodes that reduce each stream's logits to one number per token and statistic: those of buildProbe against
 * the reference and the truth, and in float64
 *
 * - nll = −ln p(target), with ln p = x − max x − ln Σ exp(x − max x)
 * - kl = Σ p_ref (ln p_ref − ln p) over the vocabulary; a term is 0 where p_ref is 0, and Infinity where only p is
 * - top1 = the first of the largest logits; means nothing where one is NaN
 *
 * A NaN or +Infinity among a token's logits makes its nll and kl NaN. Streams follow each other, so that few tensors
 * of the vocabulary's size are held at once.
 *
 * @param streams one tensor per stream, any float type, [1, n, vocabulary]
 * @param reference the stream that the others are compared with
 * @param truth the stream that errors are measured from
 * @param targets int64 [n]: each token's next token
 * @returns the name of a float64 tensor [HEAD_ROWS, streams, 1, n]
 */
export function buildHeadProbe(
  builder: GraphBuilder,
  streams: readonly string[],
  reference: string,
  truth: string,
  targets: string,
): string {
  const target = builder.op('Unsqueeze', [targets, builder.ints(0, 2)]);
  const expected = distribution(builder, reference);
  const share = builder.op('Exp', [expected.logP]);
  const impossible = builder.op('Equal', [share, builder.float(0, 'float64')]);

  const rowsOf = (stream: string): string => {
    const { shifted, logSum, logP } =
      stream === reference ? expected : distribution(builder, stream);
    const terms = builder.op('Mul', [share, builder.op('Sub', [expected.logP, logP])]);
    const rows: Record<(typeof EFFECT_ROWS)[number], string> = {
      nll: builder.op('Sub', [
        logSum,
        builder.op('GatherElements', [shifted, target], { axis: VOCABULARY }),
      ]),
      kl: reduced(
        builder,
        'ReduceSum',
        builder.op('Where', [impossible, builder.float(0, 'float64'), terms]),
      ),
      top1: builder.cast(
        builder.op('ArgMax', [builder.cast(stream, DataType.DOUBLE)], {
          axis: VOCABULARY,
          keepdims: 1n,
        }),
        DataType.DOUBLE,
      ),
    };
    const effects = EFFECT_ROWS.map((row) => builder.reshape(rows[row], builder.ints(1, 1, 1, -1)));
    return builder.op(
      'Concat',
      [buildProbe(builder, [stream], reference, 'BSD', truth), ...effects],
      { axis: 0n },
    );
  };
  return builder.op(
    'Concat',
    streams.map((stream, i) => builder.within(String(i), () => rowsOf(stream))),
    { axis: 1n },
  );
}

function distribution(builder: GraphBuilder, logits: string): Distribution {
  const values = builder.cast(logits, DataType.DOUBLE);
  const shifted = builder.op('Sub', [values, reduced(builder, 'ReduceMax', values)]);
  const logSum = builder.op('Log', [reduced(builder, 'ReduceSum', builder.op('Exp', [shifted]))]);
  return { shifted, logSum, logP: builder.op('Sub', [shifted, logSum]) };
}

function reduced(builder: GraphBuilder, opType: string, tensor: string): string {
  return builder.op(opType, [tensor, builder.ints(Number(VOCABULARY))], { keepdims: 1n });
}
