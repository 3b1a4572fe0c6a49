import { AttnDiffError } from '../errors.js';
import type { ImplementationName, Stream } from '../types.js';
import { IMPLEMENTATIONS } from '../types.js';

/**
 * Labels a list of implementation names.
 *
 * @throws AttnDiffError unknown-implementation
 */
export function nameStreams(names: readonly string[]): Stream[] {
  const seen = new Map<string, number>();
  return names.map((value) => {
    const name = known(value);
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { label: count === 1 ? name : `${name}#${count}`, name };
  });
}

/**
 * Finds the reference among the streams; one that is not there is put before them.
 *
 * @param reference a label of the streams, or an implementation's name
 * @throws AttnDiffError unknown-implementation where it is neither
 */
export function withReference(streams: Stream[], reference: string): { implementations: Stream[]; reference: string } {
  if (streams.some(({ label }) => label === reference)) return { implementations: streams, reference };
  return { implementations: [{ label: reference, name: known(reference) }, ...streams], reference };
}

function known(value: string): ImplementationName {
  const name = IMPLEMENTATIONS.find((candidate) => candidate === value);
  if (name === undefined) throw new AttnDiffError('unknown-implementation', { value });
  return name;
}
