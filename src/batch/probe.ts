import { PADDING_SIDES, type Batch, type PaddingSide } from '../types.js';
import { buildBatch } from './pad.js';
import { randomSequences } from './random.js';

const PROBE_LENGTH = 8;
const PROBE_VALID = 5;
const PROBE_SEED = 1;

/**
 * The short batch on which a rebuilt graph is checked, seeded: a full row, and one padded on each side given.
 *
 * @param fixed tokens of a row, where the model fixes them; else 8
 */
export function rebuildProbeBatch(
  vocabSize: number,
  sides: readonly PaddingSide[] = PADDING_SIDES,
  causal = true,
  fixed: number | null = null,
): Batch {
  const length = fixed ?? PROBE_LENGTH;
  const valid = Math.max(1, Math.ceil((length * PROBE_VALID) / PROBE_LENGTH));
  const [full, left, right] = Array.from(
    { length: 3 },
    (_, row) => randomSequences({ batch: 1, length, seed: PROBE_SEED + row, vocabSize })[0]!,
  ) as [number[], number[], number[]];
  const parts = { padTokenId: 0, length, source: 'random', name: 'probe', causal };
  const whole = buildBatch({ ...parts, sequences: [full], padding: 'left' });
  const padded = { left, right };
  return sides
    .map((padding) =>
      buildBatch({ ...parts, sequences: [padded[padding].slice(0, valid)], padding }),
    )
    .reduce(stack, whole);
}

/** The batch on which masks are evaluated, [2, length]: a full row and a left-padded one, of 3 tokens or more. */
export function maskProbeBatch(length: number): Batch {
  const row = Array.from({ length }, () => 0);
  return buildBatch({
    sequences: [row, row.slice(Math.min(3, length - 2))],
    padding: 'left',
    padTokenId: 0,
    length,
    source: 'random',
    name: 'mask probe',
  });
}

/** Two batches of one length as one; neither packed nor with a mask of its own. */
function stack(a: Batch, b: Batch): Batch {
  return {
    ...a,
    size: a.size + b.size,
    inputIds: BigInt64Array.from([...a.inputIds, ...b.inputIds]),
    attentionMask: BigInt64Array.from([...a.attentionMask, ...b.attentionMask]),
    positionIds: BigInt64Array.from([...a.positionIds, ...b.positionIds]),
    kinds: [...a.kinds, ...b.kinds],
  };
}
