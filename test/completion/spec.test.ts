import { describe, expect, it } from 'vitest';
import type { CompletionOption, CompletionValue } from '../../src/completion/index.js';
import { completionSpec } from '../../src/commands/completion.js';
import { optionSchemas } from '../../src/config/index.js';
import { createProgram } from '../../src/program.js';
import { inProcessRunners } from '../../src/runners/inProcess.js';
import { IMPLEMENTATIONS, REPORT_FORMATS } from '../../src/types.js';

const program = createProgram({ finish: () => undefined, runners: inProcessRunners });
const spec = completionSpec(program);

/** What stands for a number, or for a text that nobody can list. */
const FREE = new Set(['seconds', 'text', 'BxT', 'n', 'x', 'list', 'factor', 'i/n']);

const options = spec.commands.flatMap(({ name, options: own }) =>
  own.map((option) => ({ command: name, option })),
);

function value(command: string, name: string): CompletionValue | null | undefined {
  return options.find((each) => each.command === command && each.option.names.includes(name))
    ?.option.value;
}

function placeholder({
  command,
  option,
}: {
  command: string;
  option: CompletionOption;
}): string | undefined {
  const flags = program.commands
    .find((each) => each.name() === command)!
    .options.find(({ long }) => long === option.names.at(-1))!.flags;
  return /<(.*)>/.exec(flags)?.[1];
}

describe('what shells complete', () => {
  it('is every command and option that the help shows', () => {
    const help = program.helpInformation();
    expect(spec.commands.map(({ name }) => name)).toEqual(
      [...help.split('Commands:')[1]!.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name),
    );
    for (const { name, options: own } of spec.commands.filter(
      (command) => command.name !== 'help',
    )) {
      const shown = program.commands
        .find((command) => command.name() === name)!
        .helpInformation()
        .split('Options:')[1]!;
      expect(own.map(({ names }) => names.at(-1))).toEqual(
        [...shown.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, long]) => long),
      );
    }
    expect(options.length).toBeGreaterThan(100);
  });

  it('has words, files or folders for every value that is neither a number nor a text', () => {
    const unknown = options
      .filter(({ option }) => option.value?.kind === 'other')
      .filter((each) => !FREE.has(placeholder(each)!));
    expect(unknown.map(({ command, option }) => `${command} ${option.names.at(-1)}`)).toEqual([]);
  });

  it('are words that the command takes', () => {
    for (const { command, option } of options) {
      if (option.value === null || !('words' in option.value)) continue;
      const key = option.names
        .at(-1)!
        .slice(2)
        .replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
      const schema = optionSchemas(command)[key];
      if (schema === undefined) continue;
      for (const word of option.value.words) {
        const given = option.value.kind === 'wordFile' ? [`${word}=file`] : word;
        expect([
          command,
          key,
          word,
          (schema as { safeParse?: (input: unknown) => { success: boolean } }).safeParse?.(given)
            .success,
        ]).toEqual([command, key, word, true]);
      }
    }
  });

  it.each<[string, string, CompletionValue | null]>([
    ['run', '--impl', { kind: 'list', words: IMPLEMENTATIONS }],
    ['run', '--reference', { kind: 'words', words: IMPLEMENTATIONS }],
    ['explain', '--padding', { kind: 'list', words: ['left', 'right'] }],
    ['demo', '--report', { kind: 'wordFile', words: REPORT_FORMATS }],
    ['run', '--scores-precision', { kind: 'words', words: ['fp32', 'fp16', 'bf16'] }],
    ['inspect', '--format', { kind: 'words', words: ['table', 'json'] }],
    ['bench', '--format', { kind: 'words', words: ['text', 'json'] }],
    ['run', '--model', { kind: 'file' }],
    ['run', '--save-repro', { kind: 'folder' }],
    ['run', '--seed', { kind: 'other' }],
    ['run', '--heads', null],
    ['run', '--no-ci', null],
  ])('of %s %s', (command, option, expected) => {
    expect(value(command, option)).toEqual(expected);
  });

  it('is asked for again where an option repeats', () => {
    expect(
      options
        .filter(({ command, option }) => command === 'run' && option.repeats)
        .map(({ option }) => option.names[0]),
    ).toEqual(['--prompt', '--report']);
  });

  it('is described in a line that a terminal has room for', () => {
    for (const { description } of [
      ...spec.commands,
      ...spec.commands.flatMap((command) => command.options),
    ])
      expect(description).toMatch(/^\S.{6,78}\S$/);
  });
});
