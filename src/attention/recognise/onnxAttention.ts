import { attribute, isOp, type OnnxGraph } from '../../onnx/graph.js';
import type { NodeProto } from '../../onnx/types.js';
import type { AttentionSite, MatchResult } from '../site.js';
import { peelRepeatKv } from './repeatKv.js';

const SOFTMAX_PRECISIONS: Readonly<Record<string, AttentionSite['softmaxPrecision']>> = {
  1: 'fp32',
  10: 'fp16',
  11: 'fp64',
  16: 'bf16',
};

/**
 * Matches one `Attention` node of ai.onnx (opset 23 and later) on 4D inputs. The operator of the same name in
 * com.microsoft is another one and is not matched here.
 */
export function matchOnnxAttention(graph: OnnxGraph, node: NodeProto): MatchResult {
  if (!isOp(node, 'Attention')) return null;
  const reject = (problem: string): MatchResult => ({ rejection: { node, problem } });
  const [query, key, value, mask, pastKey] = node.input;
  if (!query || !key || !value) return reject('query, key or value is missing');
  if (pastKey) return reject('it keeps a key/value cache inside the operator');
  if (attribute(node, 'q_num_heads')?.i) return reject('its inputs are 3D');
  if (attribute(node, 'qk_matmul_output_mode')?.i) return reject('it also returns QKᵀ');
  const plainKey = peelRepeatKv(graph, key);
  const plainValue = peelRepeatKv(graph, value);
  const peeled = plainKey !== null && plainValue !== null;
  return {
    site: {
      form: 'onnx-attention',
      core: node,
      compute: [node],
      qkv: {
        kind: 'heads',
        query,
        key: peeled ? plainKey : key,
        value: peeled ? plainValue : value,
        grouped: peeled,
        keyTransposed: false,
      },
      mask: mask ? { kind: 'tensor', tensor: mask } : { kind: 'none' },
      scaleFactors: [],
      scaleConstant: attribute(node, 'scale')?.f ?? null,
      softcap: attribute(node, 'softcap')?.f || null,
      sink: null,
      operatorCausal: attribute(node, 'is_causal')?.i === 1n,
      softmaxPrecision:
        SOFTMAX_PRECISIONS[String(attribute(node, 'softmax_precision')?.i)] ?? 'fp32',
      nanGuard: false,
      quantisation: [],
      output: node.output[0]!,
      outputFlat: false,
    },
  };
}
