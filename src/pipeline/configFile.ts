import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { readConfigFile, type ConfigFile } from '../config/index.js';
import { AttnDiffError } from '../errors.js';
import { outsideKeys } from './configPaths.js';
import { readTextFile } from './textFile.js';

export const CONFIG_NAMES = [
  'attn-diff.config.json',
  'attn-diff.config.jsonc',
  'attn-diff.config.yaml',
  'attn-diff.config.yml',
] as const;

/**
 * The configuration that a command is to take: the file that is named, or the one that lies in the current folder.
 *
 * @param named what `--config` names; true for what lies there, false for none
 * @returns null where there is none
 * @throws AttnDiffError config-file-unreadable, config-file-invalid, config-file-ambiguous
 */
export function loadConfigFile(named: string | boolean | undefined = true): ConfigFile | null {
  if (named === false) return null;
  if (typeof named === 'string') {
    const file = read(named);
    if (file === null)
      throw new AttnDiffError('config-file-unreadable', {
        path: named,
        problem: 'it has no key attn-diff',
      });
    return file;
  }
  const all = configsHere();
  if (all.length > 1) throw new AttnDiffError('config-file-ambiguous', { paths: all });
  const found = all[0] === undefined ? null : read(all[0]);
  return found && { ...found, isFound: true, outside: outsideKeys(dirname(found.path), found.raw) };
}

/**
 * The files of the current folder that hold a configuration.
 *
 * @throws AttnDiffError config-file-unreadable, config-file-invalid, of a package.json
 */
export function configsHere(): string[] {
  return [
    ...CONFIG_NAMES.filter((name) => existsSync(name)),
    ...(existsSync('package.json') && read('package.json') ? ['package.json'] : []),
  ];
}

function read(path: string): ConfigFile | null {
  const file = readConfigFile(
    readTextFile(path, (problem) => new AttnDiffError('config-file-unreadable', { path, problem })),
    path,
  );
  return file && { ...file, raw: relativeTo(dirname(path), file.raw) };
}

/** Paths in a file are relative to it. What may also be the name of a model on the hub is one where there is such a file. */
function relativeTo(folder: string, raw: ConfigFile['raw']): ConfigFile['raw'] {
  if (folder === '.') return raw;
  const moved = (path: string): string => (isAbsolute(path) ? path : join(folder, path));
  const result = { ...raw };
  for (const key of ['prompts', 'data', 'mask', 'output', 'baseline', 'history'] as const)
    if (raw[key] !== undefined) result[key] = moved(raw[key]);
  if (raw.model !== undefined && (/^\.\.?[/\\]/.test(raw.model) || existsSync(moved(raw.model))))
    result.model = moved(raw.model);
  if (raw.report)
    result.report = raw.report.map((target) =>
      target.replace(
        /^([^=]*)=([^]*)$/,
        (_, format: string, path: string) => `${format}=${moved(path)}`,
      ),
    );
  return result;
}
