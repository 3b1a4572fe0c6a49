import { implementationOf } from '../attention/implementations/index.js';
import { kernelsOf, providerObstacle } from '../attention/kernels.js';
import { plainSettings } from '../attention/settings.js';
import { CHOSEN, type Capability } from '../doctorTypes.js';
import { ATTENTION_PRECISIONS, type AttentionPrecision, type ProviderName } from '../types.js';

/** What each implementation is on these providers, at every precision. */
export function capabilities(providers: readonly ProviderName[]): Capability[] {
  return CHOSEN.flatMap((name) =>
    providers.flatMap((provider) =>
      ATTENTION_PRECISIONS.map((precision) => capability(name, provider, precision)),
    ),
  );
}

function capability(
  name: Capability['implementation'],
  provider: ProviderName,
  precision: AttentionPrecision,
): Capability {
  const settings = { ...plainSettings(precision), provider };
  const place = { implementation: name, provider, precision };
  const reason = providerObstacle(name, settings);
  if (reason !== null) return { ...place, kind: 'none', operators: [], kernels: [], reason };
  const { emulated, computeOps } = implementationOf(name, settings);
  const operators = [...computeOps];
  // What is emulated is computed by plain operators, whatever kernel is named.
  if (emulated) return { ...place, kind: 'emulated', operators, kernels: [], reason };
  const kernels = kernelsOf(provider, name)
    .map((kernel) => kernel.name)
    .filter((kernel) => providerObstacle(name, { ...settings, kernel }) === null);
  return { ...place, kind: 'real', operators, kernels, reason };
}
