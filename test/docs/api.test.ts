import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonReport } from '../../src/report/json.js';
import { sampleReport } from '../report/sample.js';
import { readDocument, ROOT, tablesBelow } from './documents.js';

const document = readDocument('docs/api.md');
const examples = [...document.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code]) => code!);
const shown = /^```text\n([^]*?)^```$/m.exec(document)![1]!;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'attn-diff-api-'));
  for (const scope of ['', '@types'])
    mkdirSync(join(folder, 'node_modules', scope), { recursive: true });
  symlinkSync(ROOT, join(folder, 'node_modules', 'attn-diff'));
  symlinkSync(
    join(ROOT, 'node_modules', '@types', 'node'),
    join(folder, 'node_modules', '@types', 'node'),
  );
  cpSync(join(ROOT, 'fixtures', 'qwen2-optimum'), join(folder, 'my-model'), { recursive: true });
  writeFileSync(join(folder, 'report.json'), jsonReport(sampleReport()));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [i, code] of examples.entries()) {
    for (const extension of ['js', 'ts'])
      writeFileSync(join(folder, `example${i}.${extension}`), code);
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

function node(file: string): string {
  return execFileSync(process.execPath, [file], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('the first example prints what is shown', () => {
  expect(node('example0.js')).toBe(shown);
});

test('the other one judges a report anew', () => {
  expect(examples).toHaveLength(2);
  expect(node('example1.js')).toBe('false\n');
});

test('the examples have the types that the package declares, and it exports those that its options and its page name', () => {
  const [options] = tablesBelow(document, '## Options');
  const listed = /^The types are exported by the same name: (.*)$/m.exec(document)![1]!;
  const named = new Set(
    [...options!.map(([, type]) => type!), ...listed.match(/`\w+`/g)!].flatMap(
      (text) => text.match(/\b[A-Z]\w+/g) ?? [],
    ),
  );
  named.delete('AbortSignal');
  expect(named).toContain('ProviderName');
  writeFileSync(
    join(folder, 'types.ts'),
    `import type { ${[...named].join(', ')} } from 'attn-diff';\nexport type All = [${[...named].join(', ')}];\n`,
  );
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2022',
        strict: true,
        noEmit: true,
        types: ['node'],
      },
      include: ['*.ts'],
    }),
  );
  expect(() =>
    execFileSync(
      process.execPath,
      [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder],
      { encoding: 'utf8' },
    ),
  ).not.toThrow();
});

describe('the tables', () => {
  const [names] = tablesBelow(document, '## What it exports');
  const [options] = tablesBelow(document, '## Options');
  const source = (file: string): string => readFileSync(join(ROOT, 'src', file), 'utf8');

  test('name every value that is exported', async () => {
    const exported = Object.keys(await import('../../src/index.js'));
    expect(names!.map(([name]) => /^`(\w+)/.exec(name!)![1]!).toSorted()).toEqual(
      exported.toSorted(),
    );
  });

  test('name every option with its type, in the order of the source', () => {
    const declared = [
      ...source('diffOptions.ts')
        .split('interface DiffOptions')[1]!
        .matchAll(/^ {2}(\w+)\??: (.*);$/gm),
    ].map(([, name, type]) => [
      name,
      type!
        .replace(/ \| undefined$/, '')
        .replace(/^\((.*)\)$/, '$1')
        .replace(/^`(.*)`$/, '$1'),
    ]);
    expect(
      options!.map(([name, type]) =>
        [name, type!.replaceAll('\\|', '|')].map((cell) => cell!.replaceAll(/^`|`$/g, '')),
      ),
    ).toEqual(declared);
  });

  test('name the flag of every option', () => {
    const run = new Set(
      tablesBelow(readDocument('README.md'), '## Options')[0]!.map(
        ([option]) => /^`(--[\w-]+)/.exec(option!)![1]!,
      ),
    );
    for (const [name, , flag] of options!.filter((row) => row[2]!.startsWith('`--'))) {
      expect(flag).toBe(
        `\`--${name!.replaceAll('`', '').replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}\``,
      );
      expect(run).toContain(flag!.replaceAll('`', ''));
    }
  });
});
