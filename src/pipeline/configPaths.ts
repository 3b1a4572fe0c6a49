import { lstatSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { OutsideKey } from '../config/index.js';

const READ = ['prompts', 'data', 'mask', 'baseline'] as const;
const WRITTEN = ['output', 'history'] as const;

type Paths = Partial<
  Record<(typeof READ)[number] | (typeof WRITTEN)[number] | 'model', string | undefined>
> & { report?: string[] | undefined };

/**
 * The paths of a configuration that lead out of its folder, by links too, and those that would write where git, npm and
 * other programs take code from: a name that begins with a full stop, or node_modules.
 *
 * @param folder that of the file
 * @param raw what the file sets, with paths as they are to be opened
 */
export function outsideKeys(folder: string, raw: Paths): OutsideKey[] {
  const home = realpathSync(folder);
  const key = (name: string, path: string | undefined, isWritten: boolean): OutsideKey[] => {
    if (path === undefined) return [];
    const inside = relative(home, realPlace(path));
    const isOutside = inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside);
    if (isOutside) return [{ key: name, path, isWritten, place: 'outside' }];
    const isOfTools = inside
      .split(sep)
      .some((part) => part.startsWith('.') || part === 'node_modules');
    return isWritten && isOfTools ? [{ key: name, path, isWritten, place: 'tools' }] : [];
  };
  const reports = (raw.report ?? []).flatMap((target) => {
    const [, format = '', path] = /^([^=]*)=([^]*)$/.exec(target) ?? [];
    return key(`report.${format}`, path, true);
  });
  // What is not there may be the name of a model on the hub.
  const model = raw.model !== undefined && statOf(raw.model) ? key('model', raw.model, false) : [];
  return [
    ...WRITTEN.flatMap((name) => key(name, raw[name], true)),
    ...reports,
    ...model,
    ...READ.flatMap((name) => key(name, raw[name], false)),
  ];
}

/** Where a path leads, links followed, as far as it is there; a link that leads nowhere yet is followed as well. */
function realPlace(path: string, hops = 0): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch {
    const stat = statOf(whole);
    // Who writes through a link that leads nowhere makes what it points to.
    if (stat?.isSymbolicLink() && hops < 40)
      return realPlace(resolve(dirname(whole), readlinkSync(whole)), hops + 1);
    const parent = dirname(whole);
    return parent === whole ? whole : join(realPlace(parent, hops), basename(whole));
  }
}

function statOf(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}
