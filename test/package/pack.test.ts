import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { beforeAll, describe, expect, test } from 'vitest';
import { npm, ROOT } from './npm.js';

interface Packed {
  size: number;
  unpackedSize: number;
  files: { path: string; size: number }[];
}

/** 1.3 MB when this was written, of which the demo's model is 0.8 MB; 2.5 MB unpacked: the model 1.0 MB, compiled code 1.0 MB, the page's script 0.3 MB. */
const MAX_PACKED = 1_500_000;
const MAX_UNPACKED = 2_800_000;

let packed: Packed;
let paths: string[];

beforeAll(() => {
  // Without scripts: `prepack` builds, and other tests run what is built.
  const { stdout } = npm('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], ROOT);
  packed = (JSON.parse(stdout) as [Packed])[0];
  paths = packed.files.map(({ path }) => path);
});

describe('npm pack', () => {
  test('holds what a user needs and nothing else', () => {
    const top = new Set(paths.map((path) => path.split('/')[0]!));
    expect([...top].toSorted()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'bin', 'config.schema.json', 'dist', 'examples', 'fixtures', 'package.json']);
    expect(paths.filter((path) => path.startsWith('bin/'))).toEqual(['bin/attn-diff-pre-commit.js', 'bin/attn-diff.js', 'bin/start.js']);
  });

  test('holds of the fixtures only what the demo reads', () => {
    expect(paths.filter((path) => path.startsWith('fixtures/')).toSorted()).toEqual(
      ['config.json', 'model.onnx', 'tokenizer.json', 'tokenizer_config.json'].map((name) => `fixtures/qwen2-optimum/${name}`),
    );
  });

  test('holds one compiled file for every source file, and one for all of the page', () => {
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/')).filter((name) => name.endsWith('.ts') && !name.startsWith('page/'));
    const compiled = [...sources.map((name) => `dist/${name.replace(/\.ts$/, '.js')}`), 'dist/page/page.js'];
    expect(paths.filter((path) => /^dist\/.*\.js$/.test(path)).toSorted()).toEqual(compiled.toSorted());
  });

  test('holds the declarations that index.d.ts needs, and no others but types', () => {
    const needed = new Set<string>();
    const visit = (path: string): void => {
      if (needed.has(path)) return;
      needed.add(path);
      const imports = [...readFileSync(join(ROOT, path), 'utf8').matchAll(/\bfrom '(\.[^']*)\.js'|import\('(\.[^']*)\.js'\)/g)];
      for (const [, named, inline] of imports) visit(join(dirname(path), `${named ?? inline}.d.ts`));
    };
    visit('dist/index.d.ts');
    const shipped = paths.filter((path) => path.endsWith('.d.ts') && !path.endsWith('Types.d.ts'));
    expect(shipped.toSorted()).toEqual([...needed].filter((path) => !path.endsWith('Types.d.ts')).toSorted());
    expect(paths).toEqual(expect.arrayContaining([...needed]));
  });

  test('is small', () => {
    expect(packed.size).toBeLessThan(MAX_PACKED);
    expect(packed.unpackedSize).toBeLessThan(MAX_UNPACKED);
  });
});

interface Lock {
  packages: Record<string, { optionalDependencies?: Record<string, string>; hasInstallScript?: boolean; optional?: boolean }>;
}

describe('package-lock.json', () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;

  test('lists the optional packages of every platform, without which npm 11 refuses npm ci', () => {
    const wanted = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {}).map((name) => ({ name, paths: [`node_modules/${name}`, `${path}/node_modules/${name}`] })),
    );
    const missing = wanted.filter((entry) => !entry.paths.some((path) => packages[path])).map(({ name }) => name);
    expect(wanted.length).toBeGreaterThan(50);
    expect(missing).toEqual([]);
  });

  test('holds no install script that package.json does not decide on', () => {
    const { allowScripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { allowScripts: Record<string, boolean> };
    const scripted = Object.keys(packages).filter((path) => packages[path]!.hasInstallScript && !packages[path]!.optional);
    expect(scripted.map((path) => path.replace(/^.*node_modules\//, '')).toSorted()).toEqual(Object.keys(allowScripts).toSorted());
  });
});
