import { BUILT } from '../attention/implementations/index.js';
import type { AttentionSite } from '../attention/site.js';
import type { ExecutedNode } from '../runners/types.js';
import type { ImplementationInfo, Precision, Stream } from '../types.js';

/**
 * Names the kernel that ran for each stream, from the execution provider's own profile of the nodes it executed:
 * the operators of the first layer in order, and how many of all layers' nodes ran on which provider.
 */
export function kernelsOf(streams: readonly Stream[], sites: readonly AttentionSite[], executed: readonly ExecutedNode[], originalPrecision: Precision): ImplementationInfo[] {
  const byName = new Map(executed.map((node) => [node.name, node]));
  return streams.map((stream) => {
    const layers = sites.map((site) => nodesOf(stream, site, executed, byName));
    const nodes = layers.flat();
    const kernels = new Set(layers.map((layer) => layer.map(({ opType }) => opType).join(' → ')));
    const providers = new Map<string, number>();
    for (const { provider } of nodes) providers.set(provider, (providers.get(provider) ?? 0) + 1);
    const silent = layers.filter((layer) => layer.length === 0).length;
    return {
      name: stream.label,
      kernel: nodes.length === 0 ? 'unknown' : [...kernels].filter((kernel) => kernel !== '').join(' | '),
      provider: [...providers.keys()].map(shortProvider).join('+') || 'unknown',
      precision: stream.name === 'original' ? originalPrecision : BUILT[stream.name].precision,
      emulated: false,
      evidence:
        silent > 0
          ? `not provable: the profile shows no node of ${silent} of ${sites.length} layers`
          : `profile: ${[...providers].map(([provider, count]) => `${count} nodes on ${provider}`).join(', ')}`,
    };
  });
}

function nodesOf({ label, name }: Stream, site: AttentionSite, executed: readonly ExecutedNode[], byName: ReadonlyMap<string, ExecutedNode>): ExecutedNode[] {
  if (name === 'original') return site.compute.flatMap((node) => byName.get(node.name) ?? []);
  const prefix = `attn_diff/layer${site.layer}/${label}/`;
  return executed.filter((node) => node.name.startsWith(prefix) && !node.name.startsWith(`${prefix}local/`) && BUILT[name].computeOps.includes(node.opType));
}

/** `CPUExecutionProvider` is `cpu` to users. */
function shortProvider(provider: string): string {
  return provider.replace(/ExecutionProvider$/, '').toLowerCase();
}
