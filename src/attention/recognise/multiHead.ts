import { attribute, isMicrosoftOp } from '../../onnx/graph.js';
import type { NodeProto } from '../../onnx/types.js';
import type { MatchResult } from '../site.js';

/** Inputs by position, as in ONNX Runtime's contrib operator documentation. */
const INPUT = { query: 0, key: 1, value: 2, bias: 3, keyPaddingMask: 4, attentionBias: 5 } as const;

/** Operators of com.microsoft that no matcher takes apart; unmentioned they would pass for no attention at all. */
const OTHERS = [
  'PackedAttention',
  'PackedMultiHeadAttention',
  'DecoderMaskedMultiHeadAttention',
  'DecoderMaskedSelfAttention',
  'SparseAttention',
  'PagedAttention',
];

/**
 * Matches one com.microsoft `MultiHeadAttention` node on separate 3D query, key and value, whose mask is added as
 * attention_bias; and says why a node of com.microsoft's other attention operators is not taken.
 */
export function matchMultiHead(node: NodeProto): MatchResult {
  if (!isMicrosoftOp(node, 'MultiHeadAttention', 'Attention', ...OTHERS)) return null;
  const reject = (problem: string): MatchResult => ({ rejection: { node, problem } });
  const operator = `com.microsoft ${node.opType}`;
  if (node.opType === 'Attention') {
    return reject(
      attribute(node, 'unidirectional')?.i === 1n
        ? `${operator} projects inside the operator, which is not supported`
        : `${operator} without unidirectional looks at later tokens, so it is no decoder's attention`,
    );
  }
  if (node.opType !== 'MultiHeadAttention') return reject(`${operator} is not supported`);
  const input = (position: number): string | null => node.input[position] || null;
  const [query, key, value, mask] = [INPUT.query, INPUT.key, INPUT.value, INPUT.attentionBias].map(
    input,
  ) as [string | null, string | null, string | null, string | null];
  if (!query || !key || !value)
    return reject(`${operator} with packed projections is not supported`);
  if (input(INPUT.bias))
    return reject(`${operator} adds the projections' bias itself, which is not supported`);
  if (input(INPUT.keyPaddingMask))
    return reject(`${operator} with a key_padding_mask is not supported`);
  return {
    site: {
      form: 'multi-head-attention',
      core: node,
      compute: [node],
      qkv: { kind: 'flat', query, key, value, grouped: false, norm: null, rotary: null },
      mask: mask ? { kind: 'tensor', tensor: mask } : { kind: 'none' },
      scaleFactors: [],
      scaleConstant: attribute(node, 'scale')?.f || null,
      softcap: null,
      sink: null,
      operatorCausal: attribute(node, 'unidirectional')?.i === 1n,
      softmaxPrecision: 'fp32',
      nanGuard: false,
      quantisation: [],
      output: node.output[0]!,
      outputFlat: true,
    },
  };
}
