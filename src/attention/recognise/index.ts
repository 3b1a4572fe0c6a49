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
 * @param expectedLayers num_hidden_layers of config.json
 * @param path only named in errors
 * @throws AttnDiffError no-attention, site-not-recognised (names the node), layer-count
 */
export function recogniseSites(graph: OnnxGraph, expectedLayers: number, path: string): AttentionSite[] {
  const matches: SiteMatch[] = [];
  for (const node of graph.graph.node) {
    const result = match(graph, node);
    if (result && 'rejection' in result) throw notRecognised(result.rejection, matches.length, isOp(result.rejection.node, 'Softmax') ? 'report' : 'eager');
    if (result) matches.push(result.site);
  }
  if (matches.length === 0) throw new AttnDiffError('no-attention', { path });
  if (matches.length !== expectedLayers) throw new AttnDiffError('layer-count', { found: matches.length, expected: expectedLayers });
  return matches.map((site, layer) => {
    const hidden = hiddenAfter(graph, site.output);
    if (!hidden) throw notRecognised({ node: site.core, problem: 'the two residual additions that follow it are not found' }, layer, 'report');
    return { ...site, layer, hidden };
  });
}

function match(graph: OnnxGraph, node: NodeProto): MatchResult {
  if (isOp(node, 'Softmax')) return matchDecomposed(graph, node);
  if (isOp(node, 'Attention')) return matchOnnxAttention(graph, node);
  return matchGroupQuery(node) ?? matchMultiHead(node);
}

function notRecognised({ node, problem }: Rejection, layer: number, remedy: 'eager' | 'report'): AttnDiffError {
  return new AttnDiffError('site-not-recognised', { node: node.name || node.output[0] || '?', opType: node.opType, layer, problem, remedy });
}
