import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path/posix';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { npm, ROOT, staged } from './npm.js';

interface Packed {
  size: number;
  unpackedSize: number;
  files: { path: string; size: number }[];
}

/** 1.4 MB when this was written, of which the demo's model is 0.8 MB; 2.9 MB unpacked: the model 1.0 MB, compiled code 1.4 MB, the page's script 0.3 MB. */
const MAX_PACKED = 1_600_000;
const MAX_UNPACKED = 3_300_000;

let packed: Packed;
let paths: string[];
const folder = mkdtempSync(join(tmpdir(), 'attn-diff-pack-'));
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => {
  const { stdout } = npm(
    'npm',
    ['pack', '--dry-run', '--json', '--ignore-scripts'],
    staged(folder),
  );
  packed = (JSON.parse(stdout) as [Packed])[0];
  paths = packed.files.map(({ path }) => path);
}, 60_000);

describe('npm pack', () => {
  test('holds what a user needs and nothing else', () => {
    const top = new Set(paths.map((path) => path.split('/')[0]!));
    expect([...top].toSorted()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'THIRD-PARTY-LICENSES.md',
      'bin',
      'config.schema.json',
      'dist',
      'examples',
      'fixtures',
      'npm-shrinkwrap.json',
      'package.json',
    ]);
    expect(paths.filter((path) => path.startsWith('bin/'))).toEqual([
      'bin/attn-diff-pre-commit.js',
      'bin/attn-diff.js',
      'bin/start.js',
    ]);
  });

  test('holds of the fixtures only what the demo reads', () => {
    expect(paths.filter((path) => path.startsWith('fixtures/')).toSorted()).toEqual(
      ['config.json', 'model.onnx', 'tokenizer.json', 'tokenizer_config.json'].map(
        (name) => `fixtures/qwen2-optimum/${name}`,
      ),
    );
  });

  test('holds one compiled file for every source file, and one for all of the page', () => {
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .map((name) => name.replaceAll('\\', '/'))
      .filter((name) => name.endsWith('.ts') && !name.startsWith('page/'));
    const compiled = [
      ...sources.map((name) => `dist/${name.replace(/\.ts$/, '.js')}`),
      'dist/page/page.js',
    ];
    expect(paths.filter((path) => /^dist\/.*\.js$/.test(path)).toSorted()).toEqual(
      compiled.toSorted(),
    );
  });

  test('holds the declarations that index.d.ts needs, and no others but types', () => {
    const needed = new Set<string>();
    const visit = (path: string): void => {
      if (needed.has(path)) return;
      needed.add(path);
      const imports = [
        ...readFileSync(join(ROOT, path), 'utf8').matchAll(
          /\bfrom '(\.[^']*)\.js'|import\('(\.[^']*)\.js'\)/g,
        ),
      ];
      for (const [, named, inline] of imports)
        visit(join(dirname(path), `${named ?? inline}.d.ts`));
    };
    visit('dist/index.d.ts');
    const shipped = paths.filter((path) => path.endsWith('.d.ts') && !path.endsWith('Types.d.ts'));
    expect(shipped.toSorted()).toEqual(
      [...needed].filter((path) => !path.endsWith('Types.d.ts')).toSorted(),
    );
    expect(paths).toEqual(expect.arrayContaining([...needed]));
  });

  test('is small', () => {
    expect(packed.size).toBeLessThan(MAX_PACKED);
    expect(packed.unpackedSize).toBeLessThan(MAX_UNPACKED);
  });
});

interface Lock {
  packages: Record<
    string,
    {
      version: string;
      integrity?: string;
      dev?: true;
      devOptional?: true;
      dependencies?: Record<string, string>;
      devDependencies?: object;
      optionalDependencies?: Record<string, string>;
      hasInstallScript?: boolean;
      optional?: boolean;
    }
  >;
}

describe('package-lock.json', () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;

  test('lists the optional packages of every platform, without which npm 11 refuses npm ci', () => {
    const wanted = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {}).map((name) => ({
        name,
        paths: [`node_modules/${name}`, `${path}/node_modules/${name}`],
      })),
    );
    const missing = wanted
      .filter((entry) => !entry.paths.some((path) => packages[path]))
      .map(({ name }) => name);
    expect(wanted.length).toBeGreaterThan(50);
    expect(missing).toEqual([]);
  });

  test('has no native code but that of ONNX Runtime among what users install', () => {
    const needed = Object.entries(packages).filter(
      ([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional,
    );
    expect(
      needed
        .filter(([, entry]) => entry.hasInstallScript || 'os' in entry || 'cpu' in entry)
        .map(([path]) => path),
    ).toEqual(['node_modules/onnxruntime-node']);
  });

  test('holds no install script that package.json does not decide on', () => {
    const { allowScripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      allowScripts: Record<string, boolean>;
    };
    const scripted = Object.keys(packages).filter(
      (path) => packages[path]!.hasInstallScript && !packages[path]!.optional,
    );
    expect(scripted.map((path) => path.replace(/^.*node_modules\//, '')).toSorted()).toEqual(
      Object.keys(allowScripts).toSorted(),
    );
  });
});

describe('npm-shrinkwrap.json', () => {
  const read = (path: string): Lock['packages'] =>
    (JSON.parse(readFileSync(path, 'utf8')) as Lock).packages;

  test('is that of package-lock.json, with every digest, without what only development needs', () => {
    const [{ '': root, ...shrunk }, { '': _, ...locked }] = [
      read(join(folder, 'npm-shrinkwrap.json')),
      read(join(ROOT, 'package-lock.json')),
    ];
    expect(shrunk).toEqual(
      Object.fromEntries(
        Object.entries(locked).filter(([, { dev, devOptional }]) => !dev && !devOptional),
      ),
    );
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    expect(root).toMatchObject({ dependencies });
    expect(root).not.toHaveProperty('devDependencies');
    for (const [name, version] of Object.entries(dependencies))
      expect([name, shrunk[`node_modules/${name}`]?.version]).toEqual([name, version]);
    expect(
      Object.values(shrunk).filter(({ integrity }) => !integrity?.startsWith('sha512-')),
    ).toEqual([]);
  });

  test('lies in the tarball alone: in a clone npm would take it in place of package-lock.json', () => {
    expect(existsSync(join(ROOT, 'npm-shrinkwrap.json'))).toBe(false);
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts['prepack']).toMatch(/&& node scripts\/shrinkwrap\.js$/);
    expect(scripts['postpack']).toBe('node scripts/shrinkwrap.js --remove');
    execFileSync(process.execPath, ['scripts/shrinkwrap.js', '--remove'], { cwd: folder });
    expect(existsSync(join(folder, 'npm-shrinkwrap.json'))).toBe(false);
  });
});

test('THIRD-PARTY-LICENSES.md is in step with package-lock.json and names a licence of every package', () => {
  const path = join(folder, 'licences.md');
  execFileSync(process.execPath, ['scripts/licences.js', path], { cwd: ROOT });
  const made = readFileSync(path, 'utf8');
  expect(readFileSync(join(ROOT, 'THIRD-PARTY-LICENSES.md'), 'utf8')).toBe(made);
  expect(made).not.toContain('| not named |');
});
