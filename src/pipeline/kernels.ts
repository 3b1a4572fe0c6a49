import { implementationOf } from '../attention/implementations/index.js';
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
    const kernels = new Set(layers.map((layer) => chain(layer.map(({ opType }) => opType))));
    const providers = new Map<string, number>();
    for (const { provider } of nodes) providers.set(provider, (providers.get(provider) ?? 0) + 1);
    const silent = layers.filter((layer) => layer.length === 0).length;
    return {
      name: stream.label,
      kernel: nodes.length === 0 ? 'unknown' : [...kernels].filter((kernel) => kernel !== '').join(' | '),
      provider: [...providers.keys()].map(shortProvider).join('+') || 'unknown',
      precision: stream.name === 'original' ? originalPrecision : implementationOf(stream.name, stream.settings).precision,
      emulated: stream.name !== 'original' && implementationOf(stream.name, stream.settings).emulated,
      evidence:
        silent > 0
          ? `not provable: the profile shows no node of ${silent} of ${sites.length} layers`
          : `profile: ${[...providers].map(([provider, count]) => `${count} nodes on ${provider}`).join(', ')}`,
    };
  });
}

function nodesOf({ label, name, settings }: Stream, site: AttentionSite, executed: readonly ExecutedNode[], byName: ReadonlyMap<string, ExecutedNode>): ExecutedNode[] {
  if (name === 'original') return site.compute.flatMap((node) => byName.get(node.name) ?? []);
  const prefix = `attn_diff/layer${site.layer}/${label}/`;
  return executed.filter((node) => node.name.startsWith(prefix) && !node.name.startsWith(`${prefix}local/`) && implementationOf(name, settings).computeOps.includes(node.opType));
}

/** Operators in their order, repeats of one counted: `MatMul → Softmax → MatMul`, `GroupQueryAttention ×9`. */
function chain(operators: readonly string[]): string {
  const runs: { operator: string; count: number }[] = [];
  for (const operator of operators) {
    const run = runs.at(-1);
    if (run?.operator === operator) run.count++;
    else runs.push({ operator, count: 1 });
  }
  return runs.map(({ operator, count }) => (count === 1 ? operator : `${operator} ×${count}`)).join(' → ');
}

/** `CPUExecutionProvider` is `cpu` to users. */
function shortProvider(provider: string): string {
  return provider.replace(/ExecutionProvider$/, '').toLowerCase();
}
