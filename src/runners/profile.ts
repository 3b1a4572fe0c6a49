import type { ExecutedNode } from './types.js';

const KERNEL_EVENT = '_kernel_time';

interface ProfileEvent {
  cat?: string;
  name?: string;
  args?: {
    op_name?: string;
    provider?: string;
    input_type_shape?: unknown;
    output_type_shape?: unknown;
  };
}

/**
 * The executed nodes of an ONNX Runtime profile (Chrome trace events), in order, each once for all runs. WebGPU's provider adds an event for
 * each shader that it starts, named `node&operator&program`; those become the node's programs, each once.
 */
export function executedNodes(events: readonly unknown[]): ExecutedNode[] {
  const programs = new Map<string, Set<string>>();
  for (const { cat, name } of events as readonly ProfileEvent[]) {
    const [node, , program] = cat === 'Api' ? (name ?? '').split('&') : [];
    if (node !== undefined && program !== undefined)
      programs.set(node, (programs.get(node) ?? new Set()).add(program));
  }
  const seen = new Set<string>();
  return (events as readonly ProfileEvent[]).flatMap(({ name, args }) => {
    if (!name?.endsWith(KERNEL_EVENT) || !args?.op_name || !args.provider) return [];
    const node = name.slice(0, -KERNEL_EVENT.length);
    if (seen.has(node)) return [];
    seen.add(node);
    return [
      {
        name: node,
        opType: args.op_name,
        provider: args.provider,
        inputTypes: typesIn(args.input_type_shape),
        outputTypes: typesIn(args.output_type_shape),
        programs: [...(programs.get(node) ?? [])],
      },
    ];
  });
}

/** The types of `[{"float":[2,8]},{"int64":[1]}]`. */
function typesIn(shapes: unknown): string[] {
  return Array.isArray(shapes)
    ? shapes.flatMap((shape: unknown) =>
        typeof shape === 'object' && shape !== null ? Object.keys(shape) : [],
      )
    : [];
}
