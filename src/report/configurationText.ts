import type { DiffReport, Weakening } from '../types.js';
import { formatLimit } from './text/number.js';

type Configured = Pick<DiffReport, 'configFile' | 'configuration'>;

/** A configuration file and how it came to take part; null where none did. */
export function configurationName({ configFile, configuration }: Configured): string | null {
  if (configFile === null) return null;
  return configuration?.isFound ? `${configFile}, found in the current folder` : configFile;
}

/** What a configuration file makes weaker, and what it reads that is not its own, each in a clause. */
export function configurationClauses({ configuration }: Configured): string[] {
  if (!configuration) return [];
  const { weakens, outside } = configuration;
  return [
    ...(weakens.length > 0 ? [`gate weakened: ${weakens.map(weakeningText).join('; ')}`] : []),
    ...(outside.length > 0
      ? [
          `read from outside its folder: ${outside.map(({ key, path }) => `${key} ${path}`).join('; ')}`,
        ]
      : []),
  ];
}

/** Both on one line; null where no configuration took part. */
export function configurationLine(report: Configured): string | null {
  const name = configurationName(report);
  return name === null
    ? null
    : ['configuration', [name, ...configurationClauses(report)].join('; ')].join(': ');
}

/** Whether whoever reads a report must know of its configuration: nobody named it, and it asks for less, or reads elsewhere. */
export function isSuspect({ configuration }: Configured): boolean {
  return (
    configuration !== null &&
    configuration.isFound &&
    (configuration.weakens.length > 0 || configuration.outside.length > 0)
  );
}

function weakeningText(weakening: Weakening): string {
  if (weakening.kind === 'option')
    return `${weakening.key} ${weakening.value} (usually ${weakening.usual})`;
  const { key, metric, limit, level, usualLimit, usualLevel } = weakening;
  const now =
    limit === null ? level : `${formatLimit(limit)}${level === usualLevel ? '' : `, ${level}`}`;
  return `${key}: ${metric} ${now} (usually ${formatLimit(usualLimit)}${level === usualLevel ? '' : `, ${usualLevel}`})`;
}
