import {
  freeWords,
  grouped,
  quoted,
  type CompletionCommand,
  type CompletionOption,
  type CompletionSpec,
  type CompletionValue,
} from './spec.js';

/** A script for fish that completes `attn-diff`. */
export function fishCompletion({ version, options, commands }: CompletionSpec): string {
  const lines = [
    ...options.map((option) => line('__fish_use_subcommand', option)),
    ...commands.map(
      ({ name, description }) =>
        `complete -c attn-diff -n __fish_use_subcommand -a ${name} -d ${quoted(description)}`,
    ),
    ...optionLines(commands),
    ...commands.flatMap(({ name, argument }) =>
      argument === null ? [] : [`complete -c attn-diff -n ${seen([name])} ${argumentOf(argument)}`],
    ),
  ];
  return `# Completion of attn-diff ${version} in fish, as \`attn-diff completion fish\` writes it.

# What is typed of a value, without the option that may stand before it.
function __attn_diff_value
    string replace -r -- '^--[^=]*=' '' (commandline -ct)
end

# Several words between commas, each once.
function __attn_diff_list
    set -l head (string match -r -- '.*,' (__attn_diff_value))
    for word in $argv
        string match -q -- "*,$word,*" ",$head"; or echo "$head$word"
    end
end

# One of these words, then = and a file.
function __attn_diff_word_file
    set -l parts (string split -m 1 = -- (__attn_diff_value))
    if set -q parts[2]
        for path in (__fish_complete_path $parts[2])
            echo "$parts[1]=$path"
        end
    else
        printf '%s=\\n' $argv
    end
end

complete -c attn-diff -f
${lines.join('\n')}
`;
}

/** A line for each option, for all commands that have it alike. */
function optionLines(commands: readonly CompletionCommand[]): string[] {
  const all = commands.flatMap(({ name, options }) => options.map((option) => ({ name, option })));
  return [...grouped(all, ({ option }) => JSON.stringify(option)).values()].map((group) =>
    line(seen(group.map(({ name }) => name)), group[0]!.option),
  );
}

function line(condition: string, { names, description, value }: CompletionOption): string {
  const flags = names.map((name) =>
    name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  return `complete -c attn-diff -n ${condition} ${[...flags, ...(value === null ? [] : [valueOf(value)]), `-d ${quoted(description)}`].join(' ')}`;
}

function seen(commands: readonly string[]): string {
  return quoted(`__fish_seen_subcommand_from ${commands.join(' ')}`);
}

function valueOf(value: CompletionValue): string {
  if (value.kind === 'file') return '-r -F';
  return value.kind === 'other' ? '-x' : `-x -a ${quoted(candidates(value))}`;
}

function argumentOf(value: CompletionValue): string {
  return value.kind === 'file' ? '-F' : `-a ${quoted(candidates(value))}`;
}

function candidates(value: CompletionValue): string {
  switch (value.kind) {
    case 'words':
      // fish has no way to say that a word that begins with a dash must follow an =.
      return freeWords(value.words).join(' ');
    case 'list':
      return `(__attn_diff_list ${value.words.join(' ')})`;
    case 'wordFile':
      return `(__attn_diff_word_file ${value.words.join(' ')})`;
    case 'folder':
      return '(__fish_complete_directories (__attn_diff_value))';
    default:
      return '';
  }
}
