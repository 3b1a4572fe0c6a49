import type { ResolvedSite } from '../attention/evaluate.js';
import { windowFindings } from '../metrics/index.js';
import type { Finding } from '../types.js';
import type { LoadedModel } from './load.js';

/** Codes of findings that are about the file alone: every part of a run has the same. */
export const FILE_FINDINGS: ReadonlySet<Finding['code']> = new Set<Finding['code']>([
  'left-out',
  'wrong-mask',
  'window-not-as-configured',
  'not-as-configured',
  'stray-cast',
  'guarded-inf-mask',
]);

/** What is wrong with a model's file, told from its graph, its masks and config.json before anything is run. */
export function fileFindings(
  { source: { config }, strayCasts }: LoadedModel,
  sites: readonly ResolvedSite[],
): Finding[] {
  return [
    ...maskFindings(sites, config.isCausal),
    ...windowFindings(
      sites.map(({ layer, maskSummary: { window } }) => ({ layer, window })),
      config,
    ),
    ...strayCasts.map((cast): Finding => ({ code: 'stray-cast', ...cast })),
    ...guardFindings(sites),
  ];
}

/** One finding for each fault; layers that have the same share it. */
function maskFindings(sites: readonly ResolvedSite[], causal: boolean): Finding[] {
  const found = new Map<string, Extract<Finding, { code: 'wrong-mask' }>>();
  for (const { layer, core, output, maskFaults } of sites) {
    for (const { kind, query, key, value } of maskFaults) {
      const mark = JSON.stringify([kind, query, key, String(value)]);
      const known = found.get(mark);
      if (known) known.layers.push(layer);
      else
        found.set(mark, {
          code: 'wrong-mask',
          layers: [layer],
          node: core.name || output,
          fault: kind,
          query,
          key,
          value,
          causal,
        });
    }
  }
  return [...found.values()];
}

/** Where −inf is added to the scores, a guard behind the softmax leaves its gradient NaN; where scores are replaced it does not. */
function guardFindings(sites: readonly ResolvedSite[]): Finding[] {
  const layers = sites
    .filter(
      ({ nanGuard, fileMask }) =>
        nanGuard && fileMask.form === 'additive' && fileMask.fill === -Infinity,
    )
    .map(({ layer }) => layer);
  return layers.length === 0 ? [] : [{ code: 'guarded-inf-mask', layers }];
}
