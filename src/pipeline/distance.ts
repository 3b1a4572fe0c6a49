import type { Batch, TensorData } from '../types.js';

/** ‖x − ref‖ / ‖ref‖ of each head, over valid tokens; both tensors are [B,H,S,D]. 0/0 is 0; a NaN leaves NaN. */
export function headDistances(x: TensorData, ref: TensorData, batch: Batch): number[] {
  const { delta, norm } = squaresByHead(x, ref, batch);
  return Array.from(delta, (squared, head) => relative(squared, norm[head]!));
}

/** ‖x − ref‖ / ‖ref‖ over valid tokens; both tensors are [B,H,S,D]. 0/0 is 0; a NaN leaves NaN. */
export function validRelL2(x: TensorData, ref: TensorData, batch: Batch): number {
  const { delta, norm } = squaresByHead(x, ref, batch);
  return relative(sum(delta), sum(norm));
}

function squaresByHead(
  x: TensorData,
  ref: TensorData,
  { kinds, length }: Batch,
): { delta: Float64Array; norm: Float64Array } {
  const [, heads, , headDim] = x.dims as [number, number, number, number];
  const [delta, norm] = [new Float64Array(heads), new Float64Array(heads)];
  for (let i = 0; i < x.data.length; i++) {
    const row = Math.floor(i / headDim);
    const head = Math.floor(row / length) % heads;
    if (kinds[Math.floor(row / (length * heads)) * length + (row % length)] !== 'valid') continue;
    const reference = Number(ref.data[i]);
    delta[head]! += (Number(x.data[i]) - reference) ** 2;
    norm[head]! += reference ** 2;
  }
  return { delta, norm };
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function relative(squaredDelta: number, squaredNorm: number): number {
  return squaredDelta === 0 ? 0 : Math.sqrt(squaredDelta / squaredNorm);
}
