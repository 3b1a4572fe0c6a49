import { flashProof } from '../attention/flashProof.js';
import type { HeadSizes } from '../attention/qkv.js';
import { encodeModel } from '../onnx/read.js';
import type { Runner } from '../runners/types.js';
import type { Finding, ImplementationInfo, Stream } from '../types.js';

const FLASH = '(flash)';
const NAIVE = '(naive)';

/**
 * Tells apart the two CPU kernels behind GroupQueryAttention, which a profile does not: names the one that `flash`
 * gets, with the evidence.
 *
 * @throws AttnDiffError execution-failed, runner-crashed
 */
export async function nameFlashKernel(infos: readonly ImplementationInfo[], streams: readonly Stream[], sizes: HeadSizes, runner: Runner): Promise<ImplementationInfo[]> {
  const isFlash = (label: string): boolean => streams.some((stream) => stream.label === label && stream.name === 'flash' && stream.settings.precision === 'fp32');
  if (!infos.some(({ name }) => isFlash(name))) return [...infos];
  const { model, feeds, asked, naive } = flashProof(sizes);
  const session = await runner.open({ model: { bytes: encodeModel(model), folder: '.' } }, 'telling the flash kernel from the naive one');
  let same: boolean;
  try {
    const outputs = await session.run(feeds);
    const [a, b] = [outputs[asked]!.data as Float32Array, outputs[naive]!.data as Float32Array];
    same = a.every((value, i) => Object.is(value, b[i]));
  } finally {
    await session.close();
  }
  return infos.map((info) =>
    isFlash(info.name)
      ? { ...info, kernel: `${info.kernel} ${same ? NAIVE : FLASH}`, evidence: `${info.evidence}; bits ${same ? 'equal' : 'differ from'} the naive kernel's` }
      : info,
  );
}

/** A finding for every implementation that asked for flash and got the naive kernel. */
export function kernelFindings(infos: readonly ImplementationInfo[]): Finding[] {
  return infos.filter(({ kernel }) => kernel.endsWith(NAIVE)).map(({ name, kernel }) => ({ code: 'kernel-fallback', implementation: name, kernel }));
}
