import { BASH_FUNCTIONS } from './bashFunctions.js';
import {
  grouped,
  quoted,
  type CompletionCommand,
  type CompletionSpec,
  type CompletionValue,
} from './spec.js';

/** A script for bash that completes `attn-diff`. */
export function bashCompletion({ version, options, commands }: CompletionSpec): string {
  const all = [
    {
      name: '',
      options,
      argument: { kind: 'words', words: commands.map(({ name }) => name) } as const,
    },
    ...commands,
  ];
  return `# Completion of attn-diff ${version} in bash, as \`attn-diff completion bash\` writes it.

# The options of a command.
_attn_diff_options() {
  case $1 in
${all.map((command) => `    ${quoted(command.name)}) echo ${quoted(command.options.flatMap(({ names }) => names.filter((name) => name.startsWith('--'))).join(' '))} ;;`).join('\n')}
  esac
}

# What an option of a command takes, or its arguments ('-'): a kind, then words.
_attn_diff_value() {
  case "$1 $2" in
${cases(all)}
  esac
}

# Options that may be given again.
_attn_diff_repeats() {
  case "$1 $2" in
    ${patterns(all.flatMap((command) => command.options.filter(({ repeats }) => repeats).map(({ names }) => `${command.name} ${names[0]}`)))}) return 0 ;;
  esac
  return 1
}
${BASH_FUNCTIONS}`;
}

type Source = Pick<CompletionCommand, 'name' | 'options' | 'argument'>;

function cases(commands: readonly Source[]): string {
  const entries = commands.flatMap(({ name, options, argument }) => [
    ...options.flatMap(({ names, value }) =>
      value === null ? [] : names.map((option) => ({ place: `${name} ${option}`, value })),
    ),
    ...(argument === null ? [] : [{ place: `${name} -`, value: argument }]),
  ]);
  return [...grouped(entries, ({ value }) => told(value))]
    .map(
      ([text, group]) =>
        `    ${patterns(group.map(({ place }) => place))}) echo ${quoted(text)} ;;`,
    )
    .join('\n');
}

function told(value: CompletionValue): string {
  return ['words' in value ? [value.kind, ...value.words] : [value.kind]].flat().join(' ');
}

function patterns(places: readonly string[]): string {
  return places.map(quoted).join(' | ');
}
