import { printable } from '../printable.js';
import { nestedGraphs } from './graph.js';
import type { ModelProto, NodeProto } from './types.js';

/** What attn-diff's own nodes are named by; a node of the file must not pass for one of them. */
const RESERVED = /^attn_diff\//;

/**
 * Gives every named node a name of its own that ONNX Runtime's profile can hold, in place, since a profile tells nodes by
 * name and escapes nothing: without quotes, backslashes or characters that nobody sees, and other than attn-diff's own.
 */
export function makeNamesSafe(model: ModelProto): void {
  const taken = new Map<string, number>();
  const open = [...model.graph!.node].toReversed();
  for (let node = open.pop(); node; node = open.pop()) {
    rename(node, taken);
    for (const graph of nestedGraphs(node)) for (const inner of graph.node.toReversed()) open.push(inner);
  }
}

function rename(node: NodeProto, taken: Map<string, number>): void {
  if (node.name === '') return;
  const safe = printable(node.name).replaceAll('"', "'").replaceAll('\\', '/').replace(RESERVED, 'file/$&');
  let name = safe;
  for (let count = taken.get(safe) ?? 1; taken.has(name); ) {
    taken.set(safe, ++count);
    name = `${safe}#${count}`;
  }
  taken.set(name, 1);
  if (name !== node.name) node.name = name;
}
