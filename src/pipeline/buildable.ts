import { implementationOf } from '../attention/implementations/index.js';
import { providerObstacle } from '../attention/kernels.js';
import { DEFAULT_SETTINGS } from '../attention/settings.js';
import type { AttentionSettings, ImplementationName } from '../types.js';
import type { LoadedModel } from './load.js';

/** Why an implementation cannot be run on padded batches of this model; null where it can. */
export function obstacle({ sites, sizes }: Pick<LoadedModel, 'sites' | 'sizes'>, name: ImplementationName, settings: AttentionSettings = DEFAULT_SETTINGS): string | null {
  if (name === 'original' && sites.some(({ mask }) => mask.kind === 'lengths' && mask.ring)) {
    return "the file's GroupQueryAttention keeps a sliding-window cache, with which ONNX Runtime takes no padded batch";
  }
  return name === 'original' ? null : (providerObstacle(name, settings) ?? implementationOf(name, settings).obstacle?.(sizes.headDim) ?? null);
}
