import { refused, type FixedSizes } from '../attention/inputRoles.js';
import { AttnDiffError, type ErrorCode } from '../errors.js';
import type { Session } from '../runners/types.js';
import type { Batch, TensorData, Tensors } from '../types.js';
import type { LoadedModel } from './load.js';
import { modelFeeds } from './tokenFeeds.js';

/** Runs a batch through the unmodified file; where that is for another size, so many rows at a time. */
export async function runFile(
  session: Session,
  { fileInputs, sizes, fixed }: Pick<LoadedModel, 'fileInputs' | 'sizes' | 'fixed'>,
  batch: Batch,
): Promise<Tensors> {
  const rows = fixed.batch ?? batch.size;
  const parts: Tensors[] = [];
  for (let from = 0; from < batch.size; from += rows)
    parts.push(await session.run(modelFeeds(fileInputs, sizes, rowsOf(batch, from, rows), 1)));
  if (parts.length === 1 && rows === batch.size) return parts[0]!;
  return Object.fromEntries(
    Object.keys(parts[0]!).map((name) => [
      name,
      joined(
        parts.map((part) => part[name]!),
        batch.size,
      ),
    ]),
  );
}

/** Rows of a batch from one on, the last again where there are too few. */
function rowsOf(batch: Batch, from: number, rows: number): Batch {
  if (rows === batch.size) return batch;
  const { length } = batch;
  const places = Array.from(
    { length: rows * length },
    (_, i) => Math.min(from + Math.floor(i / length), batch.size - 1) * length + (i % length),
  );
  const taken = (values: BigInt64Array): BigInt64Array =>
    BigInt64Array.from(places, (place) => values[place]!);
  return {
    ...batch,
    size: rows,
    inputIds: taken(batch.inputIds),
    attentionMask: taken(batch.attentionMask),
    positionIds: taken(batch.positionIds),
    kinds: places.map((place) => batch.kinds[place]!),
  };
}

/** Tensors as one, along the batch axis; the last may have rows too many. */
function joined(parts: readonly TensorData[], rows: number): TensorData {
  const [first] = parts as [TensorData];
  const perRow = first.data.length / (first.dims[0] || 1);
  const data = new (first.data.constructor as new (length: number) => Float32Array)(rows * perRow);
  let at = 0;
  for (const part of parts) {
    const taken = (part.data as Float32Array).subarray(0, data.length - at);
    data.set(taken, at);
    at += taken.length;
  }
  return { ...first, dims: [rows, ...first.dims.slice(1)], data };
}

/** What a graph that depends on its fixed size ends with, when it is run with another one. */
const SYMPTOMS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'execution-failed',
  'model-refused',
  'rebuilt-refused',
  'input-refused',
  'rebuild-differs',
  'site-not-recognised',
]);

/**
 * Does work on a graph whose batch axis was opened; what fails there for a size that is not the file's is refused by the
 * input that fixes it.
 *
 * @throws AttnDiffError input-not-supported; whatever the work throws
 */
export async function onLifted<T>(
  { batch, input }: FixedSizes,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (
      batch === null ||
      input === null ||
      !(error instanceof AttnDiffError) ||
      !SYMPTOMS.has(error.code)
    )
      throw error;
    if (
      error.code === 'rebuild-differs' &&
      (error as AttnDiffError<'rebuild-differs'>).args.layer !== null
    )
      throw error;
    throw refused(
      input,
      `it fixes the batch to ${batch}, and the graph depends on that, so that implementations cannot be run side by side`,
      'dynamic',
    );
  }
}
