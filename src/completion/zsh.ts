import {
  freeWords,
  quoted,
  type CompletionCommand,
  type CompletionOption,
  type CompletionSpec,
  type CompletionValue,
} from './spec.js';

/** A script for zsh that completes `attn-diff`: to be sourced, or to lie in a folder of `fpath` as `_attn-diff`. */
export function zshCompletion({ version, options, commands }: CompletionSpec): string {
  return `#compdef attn-diff
# Completion of attn-diff ${version} in zsh, as \`attn-diff completion zsh\` writes it.

# One of these words, then = and a file.
_attn_diff_word_file() {
  if compset -P 1 '*='; then
    _files
  else
    compadd -qS = -- "$@"
  fi
}

_attn_diff() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  local -a commands=(
${commands.map(({ name, description }) => `    ${quoted(`${name}:${description}`)}`).join('\n')}
  )
  _arguments -C \\
${[...options.map(optionSpec), "'1:command:->command'", "'*::argument:->argument'"].map((spec) => `    ${spec} \\\n`).join('')}    && return
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
${commands.map(commandCase).join('\n')}
      esac
      ;;
  esac
}

if [[ $funcstack[1] == _attn-diff ]]; then
  _attn_diff "$@"
else
  compdef _attn_diff attn-diff
fi
`;
}

function commandCase({ name, options, argument }: CompletionCommand): string {
  const specs = [
    ...options.map(optionSpec),
    ...(argument === null ? [] : [quoted(`*:argument:${action(argument)}`)]),
  ];
  return `        ${name})\n          _arguments \\\n${specs.map((spec) => `            ${spec}`).join(' \\\n')}\n          ;;`;
}

function optionSpec({ names, description, value, repeats }: CompletionOption): string {
  const once = repeats ? '*' : names.length > 1 ? `(${names.join(' ')})` : '';
  const about = `[${description.replaceAll(/[[\]]/g, String.raw`\$&`)}]`;
  const specs = names.map((name) => {
    // A word that begins with a dash is a value only behind an =.
    const joins =
      value === null
        ? ''
        : 'words' in value && freeWords(value.words).length < value.words.length
          ? '=-'
          : name.startsWith('--')
            ? '='
            : '';
    return quoted(
      `${once}${name}${joins}${about}${value === null ? '' : `:${kindName(value)}:${action(value)}`}`,
    );
  });
  return specs.join(' ');
}

function kindName({ kind }: CompletionValue): string {
  return {
    words: 'value',
    list: 'values',
    wordFile: 'format',
    file: 'file',
    folder: 'folder',
    other: 'value',
  }[kind];
}

function action(value: CompletionValue): string {
  switch (value.kind) {
    case 'words':
      return `(${value.words.join(' ')})`;
    case 'list':
      return `{_sequence compadd - ${value.words.join(' ')}}`;
    case 'wordFile':
      return `{_attn_diff_word_file ${value.words.join(' ')}}`;
    case 'file':
      return '_files';
    case 'folder':
      return '_files -/';
    case 'other':
      return ' ';
  }
}
