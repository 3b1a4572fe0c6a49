import {
  Argument,
  Command,
  type CommandUnknownOpts,
  type Option,
} from '@commander-js/extra-typings';
import {
  COMPLETIONS,
  SHELLS,
  type CompletionCommand,
  type CompletionOption,
  type CompletionSpec,
  type CompletionValue,
} from '../completion/index.js';
import { optionSchemas, valueHint } from '../config/index.js';
import { truncate } from '../report/text/width.js';

/** Columns of a description beside a completion. */
const WIDTH = 80;

export function completionCommand(): Command {
  return new Command('completion')
    .description(
      'Print a script that completes commands, options and their values in a shell; see docs/completion.md.',
    )
    .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
    .action(
      (shell, _options, { parent }) =>
        void process.stdout.write(COMPLETIONS[shell](completionSpec(parent!))),
    ) as unknown as Command;
}

/** What there is to complete, from the program itself and from what its options are checked with. */
export function completionSpec(program: CommandUnknownOpts): CompletionSpec {
  return {
    version: program.version() ?? '',
    options: optionsOf(program),
    commands: program
      .createHelp()
      .visibleCommands(program)
      .map((command) => commandOf(command, program)),
  };
}

function commandOf(command: CommandUnknownOpts, program: CommandUnknownOpts): CompletionCommand {
  const name = command.name();
  return {
    name,
    description: summary(command.description()),
    options: name === 'help' ? [] : optionsOf(command),
    argument:
      name === 'help'
        ? { kind: 'words', words: program.commands.map((other) => other.name()) }
        : argumentOf(command),
  };
}

function optionsOf(command: CommandUnknownOpts): CompletionOption[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({
      names: [option.short, option.long].filter((name) => name != null),
      description: summary(option.description),
      value: option.required || option.optional ? valueOf(option, command.name()) : null,
      repeats: option.parseArg !== undefined && option.argChoices === undefined,
    }));
}

function valueOf(option: Option, command: string): CompletionValue {
  if (option.argChoices) return { kind: 'words', words: option.argChoices };
  const schema = optionSchemas(command)[option.attributeName()];
  const hint = schema && valueHint(schema);
  if (hint)
    return {
      kind: hint.takesFile ? 'wordFile' : hint.isList ? 'list' : 'words',
      words: hint.words,
    };
  const [, placeholder] = /<(\w+)/.exec(option.flags) ?? [];
  return {
    kind:
      placeholder === 'file' || placeholder === 'path'
        ? 'file'
        : placeholder === 'folder'
          ? 'folder'
          : 'other',
  };
}

/** What a command takes beside its options is a word of a few, or files. */
function argumentOf({ registeredArguments: [first] }: CommandUnknownOpts): CompletionValue | null {
  return first
    ? first.argChoices
      ? { kind: 'words', words: first.argChoices }
      : { kind: 'file' }
    : null;
}

/** The beginning of what `--help` says, without examples, defaults and remarks. */
function summary(text: string): string {
  return truncate(/^[^;(]*/.exec(text)![0].trim().replace(/\.$/, ''), WIDTH);
}
