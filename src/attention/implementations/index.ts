import type { ImplementationName } from '../../types.js';
import { eager } from './eager.js';
import { exact } from './exact.js';
import { flash } from './flash.js';
import { sdpa } from './sdpa.js';
import type { Implementation } from './types.js';

/** Every implementation that is built from nodes; `original` leaves the site's own nodes in place (see rebuild.ts). */
export const BUILT: Readonly<Record<Exclude<ImplementationName, 'original'>, Implementation>> = { eager, sdpa, flash, exact };

/** Why an implementation cannot be built for heads of this size; null where it can. */
export function obstacleTo(name: ImplementationName, headDim: number): string | null {
  return name === 'original' ? null : (BUILT[name].obstacle?.(headDim) ?? null);
}
