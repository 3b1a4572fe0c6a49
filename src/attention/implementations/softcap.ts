import type { GraphBuilder } from '../../onnx/builder.js';

/** c·tanh(scores/c), which keeps scores within ±c (Gemma 2, arXiv 2408.00118, section 2); the scores themselves where c is null. */
export function softcapped(
  builder: GraphBuilder,
  scores: string,
  softcap: number | null,
  type: 'float32' | 'float64' = 'float32',
): string {
  if (softcap === null) return scores;
  const cap = builder.float(softcap, type);
  return builder.op('Mul', [builder.op('Tanh', [builder.op('Div', [scores, cap])]), cap]);
}
