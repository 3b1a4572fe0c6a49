import { availableParallelism } from 'node:os';

/**
 * What the number of threads hangs on that ONNX Runtime takes on the CPU, and with it the order of some sums: the
 * variable that sets it, or the processors that this process may use.
 */
export function threadCount(): number {
  const asked = Number(process.env['ORT_INTRA_OP_NUM_THREADS']);
  return Number.isSafeInteger(asked) && asked > 0 ? asked : availableParallelism();
}
