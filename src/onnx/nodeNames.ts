import { printable } from '../printable.js';
import { nestedGraphs } from './graph.js';
import type { ModelProto, NodeProto } from './types.js';

/** What attn-diff's own nodes are named by; a node of the file must not pass for one of them. */
const RESERVED = /^attn_diff\//;

/**
 * Gives every named node a name of its own that ONNX Runtime's profile can hold, in place, since a profile tells nodes by
 * name and escapes nothing: without quotes, backslashes or characters that nobody sees, and other than attn-diff's own.
 * Each graph is named on its own: branches of which one is run may share names.
 */
export function makeNamesSafe(model: ModelProto): void {
  const open = [model.graph!];
  for (let graph = open.pop(); graph; graph = open.pop()) {
    const taken = new Map<string, number>();
    for (const node of graph.node) {
      rename(node, taken);
      open.push(...nestedGraphs(node));
    }
  }
}

function rename(node: NodeProto, taken: Map<string, number>): void {
  if (node.name === '') return;
  const safe = printable(node.name)
    .replaceAll('"', "'")
    .replaceAll('\\', '/')
    .replace(RESERVED, 'file/$&');
  let name = safe;
  for (let count = taken.get(safe) ?? 1; taken.has(name);) {
    taken.set(safe, ++count);
    name = `${safe}#${count}`;
  }
  taken.set(name, 1);
  if (name !== node.name) node.name = name;
}
