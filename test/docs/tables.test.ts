import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/errors.js';
import { ERRORS } from '../../src/errors/table.js';
import { readDocument, ROOT, tablesBelow } from './documents.js';

const helpTexts = new Map<string, string>();

function help(command: string | null): string {
  const known = helpTexts.get(command ?? '');
  if (known !== undefined) return known;
  const { stdout } = spawnSync(
    process.execPath,
    [join(ROOT, 'bin', 'attn-diff.js'), ...(command === null ? [] : [command]), '--help'],
    { encoding: 'utf8' },
  );
  helpTexts.set(command ?? '', stdout);
  return stdout;
}

/** What `--help` says of each option, by its name there: `--model <path>`. */
function described(command: string): Map<string, string> {
  const options = /^Options:\n([^]*?)\n\n/m.exec(help(command))![1]!.split(/\n(?= {2}\S)/);
  const texts = options
    .map((text) => text.replaceAll(/\s+/g, ' ').trim())
    .filter((text) => text.startsWith('--'));
  return new Map(texts.map((text) => [/^--\S+(?: <\S+>)?/.exec(text)![0], text]));
}

function helpOptions(command: string): string[] {
  return [...described(command).keys()].toSorted();
}

/** Exit codes as `--help` tells them. */
function helpExitCodes(): string[][] {
  return [...help(null).matchAll(/^ {2}(\d) {2}(.*)$/gm)].map(([, code, meaning]) => [
    code!,
    meaning!,
  ]);
}

describe('README: options', () => {
  const [runTable, inspectTable, doctorTable, setupTable, compareTable, mergeTable, historyTable] =
    tablesBelow(readDocument('README.md'), '## Options');
  const [benchTable] = tablesBelow(readDocument('README.md'), '## Bench');
  const [initTable] = tablesBelow(readDocument('docs/configuration.md'), '## A first one');
  const optionsOf = (table: string[][] | undefined): string[] =>
    table!.map(([option]) => option!.replaceAll('`', '')).toSorted();

  test('those of run', () => {
    expect(optionsOf(runTable).length).toBeGreaterThan(10);
    expect(optionsOf(runTable)).toEqual(helpOptions('run'));
  });

  test('those of demo: all but the ones that the README names', () => {
    const sentence = /`attn-diff demo` takes all but (.*)\./.exec(readDocument('README.md'))![1]!;
    const missing = new Set([...sentence.matchAll(/`(--[\w-]+)`/g)].map(([, name]) => name!));
    expect(optionsOf(runTable).filter((option) => !missing.has(option.split(' ')[0]!))).toEqual(
      helpOptions('demo'),
    );
  });

  test('those of inspect', () => {
    expect(optionsOf(inspectTable)).toEqual(helpOptions('inspect'));
  });

  test('those of doctor', () => {
    expect(optionsOf(doctorTable)).toEqual(helpOptions('doctor'));
    expect(described('doctor').get('--timeout <seconds>')).toContain(
      `(default: ${/^`(.*)`$/.exec(doctorTable![0]![1]!)![1]})`,
    );
  });

  test('those of setup', () => {
    expect(optionsOf(setupTable)).toEqual(helpOptions('setup'));
  });

  test('those of compare', () => {
    expect(optionsOf(compareTable)).toEqual(helpOptions('compare'));
  });

  test('those of merge', () => {
    expect(optionsOf(mergeTable)).toEqual(helpOptions('merge'));
  });

  test('those of history', () => {
    expect(optionsOf(historyTable)).toEqual(helpOptions('history'));
  });

  test('those of bench', () => {
    expect(optionsOf(benchTable)).toEqual(helpOptions('bench'));
  });

  test('those of init, in docs/configuration.md', () => {
    expect(optionsOf(initTable)).toEqual(helpOptions('init'));
  });

  test.each(['schema', 'completion'])('%s takes none', (command) => {
    expect(helpOptions(command)).toEqual([]);
  });

  const defaults = [
    ['run', runTable],
    ['compare', compareTable],
    ['merge', mergeTable],
    ['history', historyTable],
    ['bench', benchTable],
    ['init', initTable],
  ] as const;
  test.each(
    defaults.flatMap(([command, table]) =>
      table!.map(([option, value]) => ({ command, option: option!, value: value! })),
    ),
  )('default of $command $option', ({ command, option, value }) => {
    const shown =
      /\(default: ([^)]*)\)/.exec(described(command).get(option.replaceAll('`', ''))!)?.[1] ?? null;
    expect(shown).toBe(/^`(.*)`$/.exec(value)?.[1] ?? null);
  });
});

describe.each([
  { document: 'README.md', heading: '## Exit codes' },
  { document: 'docs/exit-codes.md', heading: '# Exit codes' },
])('$document: exit codes', ({ document, heading }) => {
  test('are those of --help', () => {
    expect(helpExitCodes()).toHaveLength(5);
    expect(tablesBelow(readDocument(document), heading)[0]).toEqual(helpExitCodes());
  });
});

test('docs/exit-codes.md names every error under its exit code', () => {
  const rows = tablesBelow(readDocument('docs/exit-codes.md'), '# Exit codes')[1]!;
  const listed = rows.flatMap(([exitCode, codes]) =>
    codes!
      .split(', ')
      .map((code) => ({ code: code.replaceAll('`', ''), exitCode: Number(exitCode) })),
  );
  expect(listed).toEqual(ERROR_CODES.map((code) => ({ code, exitCode: ERRORS[code].exitCode })));
});
