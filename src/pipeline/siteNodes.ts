import { append } from '../onnx/append.js';
import { implementationOf } from '../attention/implementations/index.js';
import { asItRuns } from '../attention/ownSteps.js';
import type { AttentionSite } from '../attention/site.js';
import { computesNumbers } from '../onnx/dataFlow.js';
import { isOp, type OnnxGraph } from '../onnx/graph.js';
import type { NodeProto } from '../onnx/types.js';
import type { ExecutedNode } from '../runners/types.js';
import type { Stream } from '../types.js';
import type { ExecutedGraph } from './executedGraph.js';
import { otherTypes, ranIn, writtenIn } from './ranTypes.js';

/** A node that takes part in a site's attention, and what ran of it. */
export interface SiteNode {
  ran: readonly ExecutedNode[];
  /** Whether it is one of those by which the kernel is named. */
  namesKernel: boolean;
  /** Whether what ran of it computed in another type than it is written in. */
  isOtherType: boolean;
}

/**
 * The nodes of one layer's attention in one stream that compute numbers, and what ran of each: of the file's own nodes
 * those from QKᵀ to PV, of a built stream all that was built for it. Nodes that only move numbers are left out.
 */
export function siteNodes(stream: Stream, site: AttentionSite, seen: ExecutedGraph): SiteNode[] {
  const { graph } = seen;
  const { nodes, kernel } =
    stream.name === 'original' ? ownNodes(graph, site) : builtNodes(graph, stream, site);
  return nodes.flatMap((node) => {
    const ran = seen.ran(node).filter(computes);
    const namesKernel = kernel(node);
    // What is neither a kernel nor seen was taken up by another node.
    return ran.length === 0 && !namesKernel
      ? []
      : [{ ran, namesKernel, isOtherType: otherTypes(ran, writtenIn(graph, node)).length > 0 }];
  });
}

function ownNodes(
  graph: OnnxGraph,
  site: AttentionSite,
): { nodes: NodeProto[]; kernel: (node: NodeProto) => boolean } {
  const compute = site.compute.map((node) => asItRuns(graph, node) ?? node);
  const nodes = [
    ...compute,
    ...nodesBetween(graph, compute[0]!, compute.at(-1)!).filter(
      (node) => !compute.includes(node) && computesNumbers(node.opType),
    ),
  ];
  return { nodes, kernel: (node) => compute.includes(node) };
}

function builtNodes(
  graph: OnnxGraph,
  { label, name, settings }: Stream,
  { layer }: AttentionSite,
): { nodes: NodeProto[]; kernel: (node: NodeProto) => boolean } {
  const prefix = `attn_diff/layer${layer}/${label}/`;
  const { computeOps } = implementationOf(name as Exclude<Stream['name'], 'original'>, settings);
  const nodes = graph.graph.node.filter(
    (node) =>
      node.name.startsWith(prefix) &&
      !node.name.startsWith(`${prefix}local/`) &&
      computesNumbers(node.opType),
  );
  return { nodes, kernel: ({ opType }) => computeOps.includes(opType) };
}

/** The nodes on the ways from one node down to another, both included; not by way of a tensor's shape. */
function nodesBetween(graph: OnnxGraph, from: NodeProto, to: NodeProto): NodeProto[] {
  const readers = ({ output }: NodeProto): NodeProto[] =>
    output
      .flatMap((tensor) => [...graph.consumers(tensor)])
      .filter((node) => !isOp(node, 'Shape', 'Size'));
  const below = reached(from, (node) => (node === to ? [] : readers(node)));
  const above = reached(to, (node) =>
    node.input.flatMap((input) => graph.producer(input) ?? []).filter((each) => below.has(each)),
  );
  return [...above];
}

function reached(from: NodeProto, next: (node: NodeProto) => readonly NodeProto[]): Set<NodeProto> {
  const nodes = new Set<NodeProto>();
  const open = [from];
  for (let node = open.pop(); node; node = open.pop()) {
    if (nodes.has(node)) continue;
    nodes.add(node);
    append(open, next(node));
  }
  return nodes;
}

/** Whether a node computed with numbers of floating point, or quantised ones, rather than with sizes; where no type is told, it may have. */
function computes(node: ExecutedNode): boolean {
  return ranIn(node).length > 0 || node.inputTypes.length === 0;
}
