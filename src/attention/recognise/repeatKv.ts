import { isOp, type OnnxGraph } from '../../onnx/graph.js';

/**
 * Takes repeat_kv apart: Reshape(Expand(Unsqueeze(x, 2), …)) copies each key/value head to the query heads it serves.
 * The Reshape may be missing where the exporter has merged it with the one that follows.
 *
 * @returns the tensor before repetition, [B,Hkv,T,D], or null where the tensor is not repeated in this way
 */
export function peelRepeatKv(graph: OnnxGraph, name: string): string | null {
  const last = graph.producer(name);
  const expand = isOp(last, 'Reshape') ? graph.producer(last.input[0]) : last;
  if (!isOp(expand, 'Expand', 'Tile')) return null;
  const unsqueeze = graph.producer(expand.input[0]);
  if (!isOp(unsqueeze, 'Unsqueeze')) return null;
  const axes = graph.values(unsqueeze.input[1]);
  return axes?.length === 1 && (axes[0] === 2 || axes[0] === -3) ? unsqueeze.input[0]! : null;
}
