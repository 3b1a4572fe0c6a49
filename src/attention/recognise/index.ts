import { AttnDiffError } from '../../errors.js';
import { isOp, type OnnxGraph } from '../../onnx/graph.js';
import type { AttentionSite, MatchResult, Rejection, SiteMatch } from '../site.js';
import type { NodeProto } from '../../onnx/types.js';
import { matchDecomposed } from './decomposed.js';
import { matchGroupQuery } from './groupQuery.js';
import { matchMultiHead } from './multiHead.js';
import { matchOnnxAttention } from './onnxAttention.js';
import { hiddenAfter } from './residual.js';

/**
 * Finds every layer's attention by the structure of the graph, never by names, in the order of the layers.
 *
 * @param expected numbers of the layers that have attention, as config.json says; a count stands for the first so many
 * @param path only named in errors
 * @throws AttnDiffError no-attention, site-not-recognised (names the node), layer-count
 */
export function recogniseSites(
  graph: OnnxGraph,
  expected: number | readonly number[],
  path: string,
): AttentionSite[] {
  const layers =
    typeof expected === 'number' ? Array.from({ length: expected }, (_, layer) => layer) : expected;
  const layerAt = (index: number): number => layers[index] ?? index;
  const matches: SiteMatch[] = [];
  for (const node of graph.graph.node) {
    const result = match(graph, node);
    if (result && 'rejection' in result)
      throw notRecognised(
        result.rejection,
        layerAt(matches.length),
        isOp(result.rejection.node, 'Softmax') ? 'report' : 'eager',
      );
    if (result) matches.push(result.site);
  }
  if (matches.length === 0) throw new AttnDiffError('no-attention', { path });
  if (matches.length !== layers.length)
    throw new AttnDiffError('layer-count', { found: matches.length, expected: layers.length });
  return matches.map((site, index) => {
    const layer = layerAt(index);
    const hidden = hiddenAfter(graph, site.output);
    if (!hidden)
      throw notRecognised(
        { node: site.core, problem: 'the two residual additions that follow it are not found' },
        layer,
        'report',
      );
    return { ...site, layer, hidden };
  });
}

function match(graph: OnnxGraph, node: NodeProto): MatchResult {
  if (isOp(node, 'Softmax')) return matchDecomposed(graph, node);
  if (isOp(node, 'Attention')) return matchOnnxAttention(graph, node);
  return matchGroupQuery(node) ?? matchMultiHead(node);
}

function notRecognised(
  { node, problem }: Rejection,
  layer: number,
  remedy: 'eager' | 'report',
): AttnDiffError {
  return new AttnDiffError('site-not-recognised', {
    node: node.name || node.output[0] || '?',
    opType: node.opType,
    layer,
    problem,
    remedy,
  });
}
