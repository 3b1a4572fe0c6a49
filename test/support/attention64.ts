import type { TensorData } from '../../src/types.js';

/**
 * softmax(scale·QKᵀ + bias)·V in plain float64 loops, over the keys that `allows` lets a query see; zeros where it lets it
 * see none. `sinks` are logits of the query heads that take part in the softmax and have no value. query [B,H,S,D], key and value [B,Hkv,T,D].
 */
export function attention64(
  query: TensorData,
  key: TensorData,
  value: TensorData,
  scale: number,
  allows: (b: number, h: number, q: number, k: number) => boolean,
  bias: (b: number, h: number, q: number, k: number) => number = () => 0,
  sinks: readonly number[] | null = null,
): Float64Array {
  const [size, heads, queries, width] = query.dims as [number, number, number, number];
  const [, kvHeads, keys] = key.dims as [number, number, number, number];
  const output = new Float64Array(size * heads * queries * width);
  for (let b = 0; b < size; b++) {
    for (let h = 0; h < heads; h++) {
      const from = (k: number, d: number): number =>
        ((b * kvHeads + Math.floor(h / (heads / kvHeads))) * keys + k) * width + d;
      for (let q = 0; q < queries; q++) {
        const row = ((b * heads + h) * queries + q) * width;
        const scores = Array.from({ length: keys }, (_, k) => {
          if (!allows(b, h, q, k)) return -Infinity;
          let dot = 0;
          for (let d = 0; d < width; d++)
            dot += Number(query.data[row + d]) * Number(key.data[from(k, d)]);
          return dot * scale + bias(b, h, q, k);
        });
        const largest = Math.max(...scores, sinks?.[h] ?? -Infinity);
        if (largest === -Infinity) continue;
        const powers = scores.map((score) => Math.exp(score - largest));
        const total = powers.reduce(
          (sum, power) => sum + power,
          sinks ? Math.exp(sinks[h]! - largest) : 0,
        );
        for (let d = 0; d < width; d++)
          output[row + d] = powers.reduce(
            (sum, power, k) => sum + (power / total) * Number(value.data[from(k, d)]),
            0,
          );
      }
    }
  }
  return output;
}
