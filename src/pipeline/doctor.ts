import { systemLoader } from '../cuda/loader.js';
import { DOCTOR_SCHEMA, type Diagnosis, type ProviderCheck } from '../doctorTypes.js';
import { listProviders } from '../runners/providers.js';
import type { Runners } from '../runners/types.js';
import { PROVIDERS, type ProviderName } from '../types.js';
import { capabilities } from './capabilities.js';
import { shortProvider } from './evidence.js';
import { failureOf } from './failure.js';
import { diagnoseCuda } from './cuda.js';
import { describeMachine, findGpus, findVulkan } from './machine.js';
import { ranIn } from './ranTypes.js';
import { problemOf, runOneNode } from './providers.js';
import { tried } from './tried.js';

/**
 * Finds out what runs on this machine. Every provider gets a process of its own, all at the same time, so that one that
 * crashes or hangs is a finding like any other.
 *
 * @param timeout seconds that one step of a provider may take
 */
export async function diagnose(runners: Runners, timeout: number): Promise<Diagnosis> {
  const [providers, gpus, loader] = await Promise.all([
    checkEvery(runners, timeout),
    findGpus(),
    systemLoader(),
  ]);
  const found = await diagnoseCuda(
    providers.find(({ name }) => name === 'cuda')!,
    gpus ?? [],
  );
  return {
    schema: DOCTOR_SCHEMA,
    machine: describeMachine(),
    providers,
    gpus,
    vulkan: findVulkan(loader),
    cuda: found?.cuda ?? null,
    libraries: found?.libraries ?? [],
    implementations: await tried(
      capabilities(providers.filter(({ status }) => status === 'works').map(({ name }) => name)),
      runners,
      timeout,
    ),
  };
}

async function checkEvery(runners: Runners, timeout: number): Promise<ProviderCheck[]> {
  const available = new Map((await listProviders()).map(({ name, bundled }) => [name, bundled]));
  return Promise.all(
    PROVIDERS.map(async (name): Promise<ProviderCheck> => {
      const bundled = available.get(name) ?? null;
      if (bundled === null)
        return { name, status: 'not-on-platform', bundled, ran: [], problem: null };
      return { name, bundled, ...(await check(name, runners, timeout)) };
    }),
  );
}

async function check(
  provider: ProviderName,
  runners: Runners,
  timeout: number,
): Promise<Pick<ProviderCheck, 'status' | 'ran' | 'problem'>> {
  try {
    const nodes = await runOneNode(runners.fresh({ provider, timeout }));
    const ran = nodes.map((node) => ({
      operator: node.opType,
      provider: shortProvider(node.provider),
      types: ranIn(node),
    }));
    const isThere = ran.length > 0 && ran.every((node) => node.provider === provider);
    return { status: isThere ? 'works' : 'falls-back', ran, problem: null };
  } catch (error) {
    const problem = problemOf(error);
    const refused = failureOf(error, null)?.kind === 'error';
    return { status: refused ? 'missing' : 'fails', ran: [], problem };
  }
}
