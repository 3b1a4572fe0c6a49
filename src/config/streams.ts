import { AttnDiffError } from '../errors.js';
import { kernelsOf } from '../attention/kernels.js';
import { sameComputation } from '../attention/settings.js';
import {
  ALIGNMENTS,
  ATTENTION_PRECISIONS,
  IMPLEMENTATIONS,
  MASK_FILLS,
  PROVIDERS,
  type AttentionPrecision,
  type AttentionSettings,
  type Deviation,
  type ImplementationName,
  type MaskForm,
  type Stream,
} from '../types.js';

/** What the flags of a run set for every implementation; a precision of scores left out follows the attention's. */
export type StreamDefaults = Omit<
  AttentionSettings,
  'scoresPrecision' | 'maskForm' | 'kernel' | 'deviation'
> & { scoresPrecision: AttentionPrecision | null };

/** What may be set after an implementation's name, and what each takes notice of. */
const KEYS = [
  'precision',
  'scores',
  'softmax',
  'fill',
  'mask',
  'align',
  'window',
  'block',
  'kernel',
] as const;
type Key = (typeof KEYS)[number];

const TAKES: Readonly<Record<ImplementationName, readonly Key[]>> = {
  eager: ['precision', 'scores', 'softmax', 'fill', 'mask', 'align', 'window'],
  sdpa: ['precision', 'mask', 'align', 'window', 'kernel'],
  flash: ['precision', 'block', 'window', 'kernel'],
  exact: ['align', 'window'],
  original: [],
};

const MASKS: Readonly<Partial<Record<ImplementationName, readonly MaskForm[]>>> = {
  eager: ['additive', 'boolean'],
  sdpa: ['boolean', 'additive', 'causal'],
};

export const LARGEST_BLOCK = 4096;

/**
 * Reads a list such as `eager`, `eager:scores=fp32`, `flash@webgpu:kernel=varlen` into streams; one named twice is numbered.
 *
 * @throws AttnDiffError unknown-implementation, bad-option
 */
export function nameStreams(names: readonly string[], defaults: StreamDefaults): Stream[] {
  const seen = new Map<string, number>();
  return names.map((value) => {
    const stream = parseStream(value, defaults, '--impl');
    const count = (seen.get(stream.label) ?? 0) + 1;
    seen.set(stream.label, count);
    return count === 1 ? stream : { ...stream, label: `${stream.label}#${count}` };
  });
}

/**
 * Finds the reference among the streams, by its label or as the same computation (`eager` is `eager@cpu` where that is
 * the provider); one that is not there is put before them.
 *
 * @param reference a label of the streams, or what `--impl` takes
 * @throws AttnDiffError unknown-implementation, bad-option
 */
export function withReference(
  streams: Stream[],
  reference: string,
  defaults: StreamDefaults,
): { implementations: Stream[]; reference: string } {
  const named = streams.find(({ label }) => label === reference);
  if (named) return { implementations: streams, reference };
  const stream = parseStream(reference, defaults, '--reference');
  const same = streams.find((candidate) => sameComputation(candidate, stream));
  return same
    ? { implementations: streams, reference: same.label }
    : { implementations: [stream, ...streams], reference };
}

function parseStream(value: string, defaults: StreamDefaults, option: string): Stream {
  const [first = '', ...parts] = value.split(':');
  const [implementation = '', place] = first.split('@');
  const name = IMPLEMENTATIONS.find((candidate) => candidate === implementation);
  if (name === undefined)
    throw new AttnDiffError('unknown-implementation', { option, value: implementation });
  const bad = (problem: string, remedy: string): AttnDiffError =>
    new AttnDiffError('bad-option', { option, value, problem, remedy });
  const provider =
    place === undefined ? defaults.provider : PROVIDERS.find((candidate) => candidate === place);
  if (provider === undefined)
    throw bad(
      `${place} is no execution provider`,
      `${name}@provider with one of ${PROVIDERS.join(', ')}`,
    );
  const given = new Map<Key, string>();
  for (const part of parts) {
    const [word = '', setting] = part.split('=');
    const key = KEYS.find((candidate) => candidate === word);
    if (key === undefined || setting === undefined)
      throw bad(
        `${part} sets nothing`,
        `settings as name=value, with a name of ${KEYS.join(', ')}`,
      );
    if (!TAKES[name].includes(key))
      throw bad(
        `${name} has no ${key}`,
        TAKES[name].length === 0 ? `${name} as it is` : `${name} with ${TAKES[name].join(', ')}`,
      );
    if (given.has(key)) throw bad(`${key} is set twice`, 'each setting once');
    given.set(key, setting);
  }
  const word = <W extends string>(key: Key, words: readonly W[]): W | undefined => {
    const setting = given.get(key);
    const found = words.find((candidate) => candidate === setting);
    if (setting !== undefined && found === undefined)
      throw bad(`${setting} is no ${key}`, `${key} as one of ${words.join(', ')}`);
    return found;
  };
  const precision = word('precision', ATTENTION_PRECISIONS) ?? defaults.precision;
  const kernels = kernelsOf(provider, name).map((kernel) => kernel.name);
  const kernel = given.get('kernel');
  if (kernel !== undefined && !kernels.some((candidate) => candidate === kernel))
    throw bad(
      `${name} has no kernel ${kernel} on ${provider}`,
      `kernel as one of ${kernels.join(', ')}`,
    );
  const settings: AttentionSettings = {
    provider,
    precision,
    // A precision of its own brings its own rounding of the scores.
    scoresPrecision:
      word('scores', ATTENTION_PRECISIONS) ??
      (given.has('precision') ? precision : (defaults.scoresPrecision ?? precision)),
    softmaxPrecision: word('softmax', ATTENTION_PRECISIONS) ?? defaults.softmaxPrecision,
    flashBlock: block(given.get('block'), bad) ?? defaults.flashBlock,
    maskFill: word('fill', MASK_FILLS) ?? defaults.maskFill,
    maskForm: word('mask', MASKS[name] ?? []) ?? null,
    alignment: word('align', ALIGNMENTS) ?? defaults.alignment,
    kernel: kernels.find((candidate) => candidate === kernel) ?? null,
    deviation: window(given.get('window'), bad),
  };
  return { label: value, name, settings, hidden: false };
}

/** `none`, or tokens: a window other than the model's, in the layers that have one. */
function window(
  text: string | undefined,
  bad: (problem: string, remedy: string) => AttnDiffError,
): Deviation | null {
  if (text === undefined) return null;
  if (text !== 'none' && !/^[1-9]\d*$/.test(text))
    throw bad(`${text} is no window`, 'window as a number of tokens, or none');
  return { kind: 'window', to: text === 'none' ? null : Number(text), slidingOnly: true };
}

function block(
  text: string | undefined,
  bad: (problem: string, remedy: string) => AttnDiffError,
): number | undefined {
  if (text === undefined) return undefined;
  const size = Number(text);
  if (!/^\d+$/.test(text) || size < 1 || size > LARGEST_BLOCK)
    throw bad(`${text} is no block`, `block as a whole number from 1 to ${LARGEST_BLOCK}`);
  return size;
}
