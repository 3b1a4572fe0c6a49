import { FUSED, halfProof } from '../attention/halfProof.js';
import type { HeadSizes } from '../attention/qkv.js';
import type { Runner } from '../runners/types.js';
import type { ImplementationInfo } from '../types.js';
import { unlessFailing } from './failure.js';
import { runOnce } from './once.js';

/**
 * Adds to the evidence of fused attention in float16 whether its kernel keeps the scores in a wider type, which a
 * profile does not tell: by running the operator alone on scores beyond 65504.
 *
 * @param runner in whose process the streams run
 */
export async function tellInnerType(
  infos: readonly ImplementationInfo[],
  sizes: HeadSizes,
  runner: Runner,
): Promise<ImplementationInfo[]> {
  const told: ImplementationInfo[] = [];
  for (const info of infos) {
    const operator =
      info.ran.join() === 'fp16'
        ? FUSED.find((name) => info.kernel.split(' ')[0] === name)
        : undefined;
    if (operator === undefined) {
      told.push(info);
      continue;
    }
    const { model, feeds, output } = halfProof(operator, sizes);
    const numbers = await unlessFailing(
      async () =>
        Array.from(
          (await runOnce(runner, model, feeds, 'telling what a kernel keeps its scores in'))[
            output
          ]!.data,
          Number,
        ),
      [],
    );
    const what =
      numbers.length === 0
        ? null
        : numbers.every((value) => value === 1)
          ? 'stay finite: a wider type inside'
          : numbers.every(Number.isNaN)
            ? 'become NaN: fp16 inside'
            : null;
    told.push(
      what === null ? info : { ...info, evidence: `${info.evidence}; scores past 65504 ${what}` },
    );
  }
  return told;
}
