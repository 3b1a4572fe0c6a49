import { AttnDiffError } from '../errors.js';
import { usualLevel } from '../findingCodes.js';
import {
  LEVELS,
  PADDING_SIDES,
  type ConfigurationInfo,
  type Finding,
  type Level,
  type Weakening,
} from '../types.js';
import { DEFAULT_FACTOR, factor } from './baseline.js';
import type { ConfigFile } from './file.js';
import { DEFAULT_IMPLEMENTATIONS, RUN_OPTIONS, type RawRunOptions } from './runOptions.js';

/** A run's options as they came together. */
export interface Merged {
  /** Those that were given beside the file. */
  given: RawRunOptions;
  /** Those, and of the file's those that they do not replace. */
  raw: RawRunOptions;
  file: ConfigFile;
  /** Levels of findings that a caller sets. */
  findings: Readonly<Record<string, Level>>;
}

/**
 * What a configuration file does to a run, budgets apart, which follow from what is run.
 *
 * @throws AttnDiffError config-file-outside where one that was found writes to a place outside of its folder
 */
export function configurationOf(merged: Merged): ConfigurationInfo {
  const { file } = merged;
  const outside = file.outside.filter(({ key }) => isInForce(rootOf(key), merged));
  const written = outside.find(({ isWritten }) => isWritten);
  if (written) {
    const { key, path, place } = written;
    throw new AttnDiffError('config-file-outside', {
      path: file.path,
      line: file.lineOf(key.split('.')),
      key,
      target: path,
      place,
      flag: RUN_OPTIONS[rootOf(key)].flag,
    });
  }
  return {
    isFound: file.isFound,
    weakens: [...weakerOptions(merged), ...weakerFindings(merged)],
    outside: outside.map(({ key, path }) => ({ key, path })),
  };
}

function rootOf(key: string): keyof RawRunOptions & keyof typeof RUN_OPTIONS {
  return key.split('.')[0] as keyof typeof RUN_OPTIONS;
}

/** Whether it is the file that sets a key of this run. */
function isInForce(
  key: keyof RawRunOptions,
  { given, raw, file }: Pick<Merged, 'given' | 'raw' | 'file'>,
): boolean {
  // commander says true where --no-ci is not given.
  const isGiven = key === 'ci' ? given.ci === false : given[key] !== undefined;
  return !isGiven && file.raw[key] !== undefined && raw[key] === file.raw[key];
}

function weakerOptions(merged: Merged): Weakening[] {
  const { raw } = merged;
  const weaker = (
    key: keyof RawRunOptions,
    usual: string,
    isWeaker: (value: string) => boolean,
  ): Weakening[] => {
    const value = String(raw[key]);
    return isInForce(key, merged) && isWeaker(value) ? [{ kind: 'option', key, value, usual }] : [];
  };
  const lacks =
    (names: readonly string[]) =>
    (value: string): boolean =>
      !names.every((name) => namesIn(value).includes(name));
  // With these, one side is all that there is.
  const isOneSided = raw.past !== undefined || raw.data !== undefined || raw.mask !== undefined;
  return [
    ...weaker('failOn', 'nan', (value) => value === 'none'),
    ...weaker('defaultBudgets', 'error', (value) => value !== 'error'),
    ...weaker('impl', DEFAULT_IMPLEMENTATIONS, lacks(namesIn(DEFAULT_IMPLEMENTATIONS))),
    ...(isOneSided ? [] : weaker('padding', PADDING_SIDES.join(','), lacks(PADDING_SIDES))),
    ...weaker(
      'maxRegression',
      DEFAULT_FACTOR,
      (value) => factor.parse(value) > factor.parse(DEFAULT_FACTOR),
    ),
    ...weaker('allow', 'nothing', () => true),
    ...weaker('ci', 'true', (value) => value === 'false'),
  ];
}

/** The implementations in a list, without providers and settings. */
function namesIn(list: string): string[] {
  return list.split(',').map((label) => /^[^@:#]*/.exec(label.trim())![0]);
}

function weakerFindings({ file, findings }: Merged): Weakening[] {
  return Object.entries(file.findings).flatMap(([code, level]): Weakening[] => {
    const usual = usualLevel({ code: code as Finding['code'] });
    return findings[code] === undefined && LEVELS.indexOf(level) < LEVELS.indexOf(usual)
      ? [{ kind: 'option', key: `findings.${code}`, value: level, usual }]
      : [];
  });
}
