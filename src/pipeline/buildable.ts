import { obstacleTo } from '../attention/implementations/index.js';
import type { ImplementationName } from '../types.js';
import type { LoadedModel } from './load.js';

/** Why an implementation cannot be run on padded batches of this model; null where it can. */
export function obstacle({ sites, sizes }: Pick<LoadedModel, 'sites' | 'sizes'>, name: ImplementationName): string | null {
  if (name === 'original' && sites.some(({ mask }) => mask.kind === 'lengths' && mask.ring)) {
    return "the file's GroupQueryAttention keeps a sliding-window cache, with which ONNX Runtime takes no padded batch";
  }
  return obstacleTo(name, sizes.headDim);
}
