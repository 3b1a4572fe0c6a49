import { statSync } from 'node:fs';
import { join } from 'node:path';
import { entriesIn } from '../files/entries.js';
import { programOutput } from '../programOutput.js';

/** A folder that Python imports packages from. */
export interface PythonSite {
  folder: string;
  /** What led to it: a variable of an active environment, or a program on PATH. */
  origin: 'VIRTUAL_ENV' | 'CONDA_PREFIX' | 'python3' | 'python';
}

export interface Pythons {
  /** Those of an active environment first. */
  sites: PythonSite[];
  /** The interpreter that answered first, whose pip is the user's; null where none did. */
  interpreter: string | null;
}

const PRINT_PATHS = 'import json, sys; print(json.dumps(sys.path))';

/**
 * Finds the package folders of the active virtual environment, of conda's, and of `python3` and
 * `python` on PATH, by asking each interpreter.
 *
 * @param env the environment to look in
 * @returns no folder twice; an interpreter that is missing, fails, hangs or prints something else
 *   has none, but for the folder that an active environment must have
 */
export async function findPythons(env: NodeJS.ProcessEnv = process.env): Promise<Pythons> {
  const active = (['VIRTUAL_ENV', 'CONDA_PREFIX'] as const).flatMap((origin) => {
    const prefix = env[origin];
    return prefix ? [{ origin, prefix, program: join(prefix, 'bin', 'python') }] : [];
  });
  const onPath = (['python3', 'python'] as const).map((origin) => {
    return { origin, prefix: null, program: origin };
  });
  const answers = await Promise.all(
    [...active, ...onPath].map(async ({ origin, prefix, program }) => {
      const folders = pathsIn(await programOutput(program, ['-c', PRINT_PATHS], env));
      return { origin, program, folders: folders ?? [], prefix, hasAnswered: folders !== null };
    }),
  );
  const sites = answers.flatMap(({ origin, folders, prefix, hasAnswered }) => {
    const known = hasAnswered || prefix === null ? folders : sitesUnder(prefix);
    return known.map((folder): PythonSite => ({ folder, origin }));
  });
  const isFirst = ({ folder }: PythonSite, index: number): boolean =>
    sites.findIndex((site) => site.folder === folder) === index;
  return {
    sites: sites.filter(isFirst),
    interpreter: answers.find(({ hasAnswered }) => hasAnswered)?.program ?? null,
  };
}

/** The folders in a list that Python printed; null where it printed something else. */
function pathsIn(printed: string | null): string[] | null {
  let paths: unknown;
  try {
    paths = JSON.parse(printed ?? '');
  } catch {
    return null;
  }
  if (!Array.isArray(paths) || !paths.every((path) => typeof path === 'string')) return null;
  return paths.filter((path) => path.startsWith('/') && isFolder(path));
}

/** The package folders of an environment whose interpreter does not answer. */
function sitesUnder(prefix: string): string[] {
  const lib = join(prefix, 'lib');
  return entriesIn(lib)
    .filter((name) => /^python3\.\d+$/.test(name))
    .map((name) => join(lib, name, 'site-packages'))
    .filter(isFolder);
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
