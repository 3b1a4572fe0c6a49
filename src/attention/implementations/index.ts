import type { AttentionSettings, ImplementationName } from '../../types.js';
import { eager } from './eager.js';
import { exact } from './exact.js';
import { flash } from './flash.js';
import { sdpa } from './sdpa.js';
import type { Implementation } from './types.js';

/** What a stream builds at each site; `original` leaves the site's own nodes in place (see rebuild.ts). */
export function implementationOf(
  name: Exclude<ImplementationName, 'original'>,
  settings: AttentionSettings,
): Implementation {
  return { eager, sdpa, flash, exact: () => exact }[name](settings);
}
