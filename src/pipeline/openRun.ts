import type { RunConfig } from '../config/index.js';
import { requireSameKey } from '../gate/index.js';
import type { HubOptions } from '../model/index.js';
import type { Runners } from '../runners/types.js';
import type { HeldBaseline } from '../types.js';
import { plannedKey } from './plannedKey.js';
import { prepareRun, type PreparedRun } from './prepare.js';
import { checkProviders } from './providers.js';

/**
 * Sees to it, before a model is run, that all can be had that a run asks for: providers, model, prompts, and a baseline
 * that fits.
 *
 * @throws AttnDiffError codes of exit 2 and 3
 */
export async function openRun(
  config: RunConfig,
  runners: Runners,
  { baseline, hub }: { baseline: HeldBaseline | null; hub: HubOptions },
): Promise<PreparedRun> {
  await checkProviders(config.implementations, runners, config.timeout);
  const prepared = await prepareRun(config, hub, runners.ownProcesses);
  if (baseline) requireSameKey(baseline, await plannedKey(prepared, hub.signal));
  return prepared;
}
