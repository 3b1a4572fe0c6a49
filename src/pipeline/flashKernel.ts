import { flashProof } from '../attention/flashProof.js';
import { kernelOf } from '../attention/kernels.js';
import type { HeadSizes } from '../attention/qkv.js';
import type { Runner } from '../runners/types.js';
import type { ImplementationInfo, Stream } from '../types.js';
import { runOnce } from './once.js';

/**
 * Tells apart the two CPU kernels behind GroupQueryAttention, which a profile does not: names the one that `flash`
 * gets, with the evidence.
 *
 * @param runner in whose process the streams run
 * @throws AttnDiffError execution-failed, runner-crashed, timed-out
 */
export async function nameFlashKernel(
  infos: readonly ImplementationInfo[],
  streams: readonly Stream[],
  sizes: HeadSizes,
  runner: Runner,
  hasSinks = false,
): Promise<ImplementationInfo[]> {
  const flashOf = (label: string): Stream | undefined =>
    streams.find(
      ({ label: own, name, settings }) =>
        own === label &&
        name === 'flash' &&
        settings.provider === 'cpu' &&
        settings.precision === 'fp32',
    );
  if (!infos.some(({ name }) => flashOf(name))) return [...infos];
  const { model, feeds, asked, naive } = flashProof(sizes, hasSinks);
  const outputs = await runOnce(
    runner,
    model,
    feeds,
    'telling the flash kernel from the naive one',
  );
  const [a, b] = [outputs[asked]!.data as Float32Array, outputs[naive]!.data as Float32Array];
  const same = a.every((value, i) => Object.is(value, b[i]));
  const ran = same ? 'naive' : 'flash';
  return infos.map((info) => {
    const stream = flashOf(info.name);
    if (!stream) return info;
    const named = {
      ...info,
      kernel: `${info.kernel} (${ran})`,
      evidence: `${info.evidence}; bits ${same ? 'equal' : 'differ from'} the naive kernel's`,
    };
    if (info.proof !== 'confirmed' || kernelOf('flash', stream.settings)?.name === ran)
      return named;
    return { ...named, proof: 'fallback', reason: 'other-kernel' };
  });
}
