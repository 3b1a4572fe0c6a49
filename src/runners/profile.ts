import type { ExecutedNode } from './types.js';

const KERNEL_EVENT = '_kernel_time';

interface ProfileEvent {
  cat?: string;
  name?: string;
  args?: { op_name?: string; provider?: string };
}

/**
 * The executed nodes of an ONNX Runtime profile (Chrome trace events), in order, each once for all runs. WebGPU's provider adds an event for
 * each shader that it starts, named `node&operator&program`; those become the node's programs, each once.
 */
export function executedNodes(events: readonly unknown[]): ExecutedNode[] {
  const programs = new Map<string, Set<string>>();
  for (const { cat, name } of events as readonly ProfileEvent[]) {
    const [node, , program] = cat === 'Api' ? (name ?? '').split('&') : [];
    if (node !== undefined && program !== undefined) programs.set(node, (programs.get(node) ?? new Set()).add(program));
  }
  const seen = new Set<string>();
  return (events as readonly ProfileEvent[]).flatMap(({ name, args }) => {
    if (!name?.endsWith(KERNEL_EVENT) || !args?.op_name || !args.provider) return [];
    const node = name.slice(0, -KERNEL_EVENT.length);
    if (seen.has(node)) return [];
    seen.add(node);
    return [{ name: node, opType: args.op_name, provider: args.provider, programs: [...(programs.get(node) ?? [])] }];
  });
}
