import { attribute, isMicrosoftOp, type OnnxGraph } from '../../onnx/graph.js';
import type { NodeProto } from '../../onnx/types.js';
import type { MatchResult, QkNorm, Rotary } from '../site.js';

/** Inputs by position, as in ONNX Runtime's contrib operator documentation. */
const INPUT = {
  query: 0,
  key: 1,
  value: 2,
  pastKey: 3,
  pastValue: 4,
  cos: 7,
  sin: 8,
  positions: 9,
  bias: 10,
  sink: 11,
  queryNorm: 14,
  keyNorm: 15,
} as const;

/**
 * Matches one com.microsoft `GroupQueryAttention` node, which onnxruntime-genai's builder and ONNX Runtime's
 * optimizer write: packed or separate Q, K and V, RoPE inside or outside. It masks by the valid length of each row,
 * so it knows right padding only.
 */
export function matchGroupQuery(node: NodeProto): MatchResult {
  if (!isMicrosoftOp(node, 'GroupQueryAttention')) return null;
  const reject = (problem: string): MatchResult => ({ rejection: { node, problem } });
  const input = (position: number): string | null => node.input[position] || null;
  const query = input(INPUT.query);
  if (!query) return reject('its query is missing');
  if (input(INPUT.bias)) return reject('it adds a bias to the scores');
  const [key, value] = [input(INPUT.key), input(INPUT.value)];
  if ((key === null) !== (value === null)) return reject('it has only one of key and value');
  const window = Number(attribute(node, 'local_window_size')?.i ?? -1n);
  return {
    site: {
      form: 'group-query-attention',
      core: node,
      compute: [node],
      qkv: {
        kind: 'flat',
        query,
        key,
        value,
        grouped: true,
        norm: normOf(node, input),
        rotary: rotaryOf(node, input),
      },
      mask: { kind: 'lengths', window: window > 0 ? window : null, ring: keepsRing(node) },
      scaleFactors: [],
      scaleConstant: attribute(node, 'scale')?.f || null,
      softcap: attribute(node, 'softcap')?.f || null,
      sink:
        input(INPUT.sink) || attribute(node, 'smooth_softmax')?.i === 1n
          ? { node: node.name || node.output[0]!, tensor: input(INPUT.sink) }
          : null,
      operatorCausal: true,
      softmaxPrecision: 'fp32',
      nanGuard: false,
      quantisation: [],
      output: node.output[0]!,
      outputFlat: true,
    },
  };
}

/**
 * Caches that a GroupQueryAttention of a sliding window keeps as a ring: by the input's name, how many positions the
 * operator wants it to hold, even when it is empty.
 */
export function ringCaches(graph: OnnxGraph): Map<string, number> {
  return new Map(
    graph.graph.node
      .filter((node) => isMicrosoftOp(node, 'GroupQueryAttention') && keepsRing(node))
      .flatMap((node) =>
        [INPUT.pastKey, INPUT.pastValue].map(
          (position) =>
            [
              node.input[position] ?? '',
              Number(attribute(node, 'local_window_size')?.i ?? 0n),
            ] as const,
        ),
      ),
  );
}

function keepsRing(node: NodeProto): boolean {
  return attribute(node, 'sliding_window_cache')?.i === 1n;
}

/** ONNX Runtime's default of qk_norm_epsilon. */
const NORM_EPSILON = 1e-6;

function normOf(node: NodeProto, input: (position: number) => string | null): QkNorm | null {
  const [query, key] = [input(INPUT.queryNorm), input(INPUT.keyNorm)];
  return query && key
    ? { query, key, epsilon: attribute(node, 'qk_norm_epsilon')?.f ?? NORM_EPSILON }
    : null;
}

function rotaryOf(node: NodeProto, input: (position: number) => string | null): Rotary | null {
  const [cos, sin] = [input(INPUT.cos), input(INPUT.sin)];
  if (attribute(node, 'do_rotary')?.i !== 1n || !cos || !sin) return null;
  return {
    cos,
    sin,
    interleaved: attribute(node, 'rotary_interleaved')?.i === 1n,
    positions: input(INPUT.positions),
  };
}
