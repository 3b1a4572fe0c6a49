import { AttnDiffError } from '../errors.js';
import {
  KEY_FIELDS,
  type BaselineOptions,
  type KeyDifference,
  type KeyField,
  type RunKey,
} from '../types.js';

type Value = readonly [of: string | null, was: string | null, is: string | null];

/**
 * In what two runs differ of what decides their numbers, in the order of {@link KEY_FIELDS}. Of implementations and
 * batches those are looked at that are in both; that some are in one only is a difference of its own. What is not known
 * yet is no difference.
 */
export function keyDifferences(was: RunKey, is: RunKey): KeyDifference[] {
  const implementations = common(was.implementations, is.implementations);
  const each = (read: (info: RunKey['implementations'][number]) => string | null): Value[] =>
    implementations.map(([then, now]) => [now.name, read(then), read(now)]);
  const values: Record<KeyField, Value[]> = {
    model: [[null, was.model.sha256, is.model.sha256]],
    precision: [
      [null, modelPrecision(was), modelPrecision(is)],
      ...each(({ precision, emulated }) =>
        precision === null ? null : `${precision}${emulated ? ', emulated' : ''}`,
      ),
    ],
    settings: each(({ settings }) => settings || 'none'),
    reference: [[null, was.reference, is.reference]],
    implementations: [[null, names(was.implementations), names(is.implementations)]],
    batches: [
      [null, names(was.batches), names(is.batches)],
      ...common(was.batches, is.batches).map(([then, now]): Value => [
        now.name,
        then.sha256,
        now.sha256,
      ]),
    ],
    provider: [...each(({ asked }) => asked.provider), ...each(({ provider }) => provider)],
    gpu: [[null, was.environment.gpu ?? 'none', is.environment.gpu ?? 'none']],
    cpu: [[null, was.environment.cpu, is.environment.cpu]],
    onnxruntime: [[null, was.environment.onnxruntime, is.environment.onnxruntime]],
    kernel: each(({ kernel }) => kernel),
  };
  return KEY_FIELDS.flatMap((field) =>
    values[field].flatMap(([of, then, now]): KeyDifference[] =>
      then === null || now === null || then === now ? [] : [{ field, of, was: then, is: now }],
    ),
  );
}

/**
 * Sees to it that a run measures what its baseline did, but for what may differ by name.
 *
 * @returns the differences that were let pass
 * @throws AttnDiffError baseline-mismatch, with the first that may not differ and does, and all such fields; baseline-apart, where nothing is in both
 */
export function requireSameKey(
  { path, allow, run: was }: BaselineOptions & { run: RunKey },
  is: RunKey,
): KeyDifference[] {
  const differences = keyDifferences(was, is);
  const refused = differences.filter(({ field }) => !allow.includes(field));
  for (const what of ['batches', 'implementations'] as const) {
    if (common<{ name: string }>(was[what], is[what]).length === 0)
      throw new AttnDiffError('baseline-apart', {
        path,
        what,
        was: names(was[what]),
        is: names(is[what]),
      });
  }
  const [first] = refused;
  if (first)
    throw new AttnDiffError('baseline-mismatch', {
      path,
      ...first,
      fields: [...new Set(refused.map(({ field }) => field))],
    });
  return differences;
}

function modelPrecision({ model }: RunKey): string {
  return model.activations === null
    ? model.precision
    : `${model.precision}, activations ${model.activations}`;
}

function names(items: readonly { name: string }[]): string {
  return (
    items
      .map(({ name }) => name)
      .toSorted()
      .join(', ') || 'none'
  );
}

function common<T extends { name: string }>(
  was: readonly T[],
  is: readonly T[],
): (readonly [T, T])[] {
  return is.flatMap((now) => {
    const then = was.find(({ name }) => name === now.name);
    return then ? [[then, now] as const] : [];
  });
}
