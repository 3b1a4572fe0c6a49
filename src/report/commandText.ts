import type { Check, DiffReport, Verdict } from '../types.js';
import { shellQuote } from '../shellQuote.js';
import { displayWidth } from './text/width.js';

/** A command line of attn-diff. */
export function commandText(command: readonly string[]): string {
  return ['attn-diff', ...command].map(shellQuote).join(' ');
}

/** Options that leave a run with batches of other names than the sides they are padded on. */
const NAMED_BATCHES = ['--data', '--mask', '--past'];

/** What of a report its command is made from. */
export type Commanded = Pick<DiffReport, 'command' | 'reference'> & {
  baseline: object | null;
  verdict?: Pick<Verdict, 'checks'>;
};

/**
 * A command line of attn-diff on lines of at most `width` columns, each but the last continued as a shell has it. An
 * option is never broken, so that one that is longer makes a longer line.
 *
 * @param indent what each line after the first begins with
 */
export function commandLines(command: readonly string[], width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = 'attn-diff';
  for (const part of withValues(command.map(shellQuote))) {
    const isFull = displayWidth(`${line} ${part}`) > width - CONTINUED.length;
    if (isFull) lines.push(line + CONTINUED);
    line = isFull ? indent + part : `${line} ${part}`;
  }
  return [...lines, line];
}

/** Options with the values that follow them. */
function withValues(quoted: readonly string[]): string[] {
  return quoted.reduce<string[]>((parts, argument) => {
    const last = parts.at(-1);
    return last?.startsWith('--') && !last.includes(' ') && !argument.startsWith('-')
      ? [...parts.slice(0, -1), `${last} ${argument}`]
      : [...parts, argument];
  }, []);
}

const CONTINUED = ' \\';

/** The arguments that show a check again: those of the run, with no other implementation and no other padding than it needs. */
export function argumentsFor(
  { name, implementation, batch }: Pick<Check, 'name' | 'implementation' | 'batch'>,
  { command, reference, baseline }: Commanded,
): string[] {
  // A baseline is held against all that it was made of.
  if (name === 'regression') return [...command];
  let narrowed = BASELINE_OPTIONS.reduce(withoutOption, [...command]);
  if (baseline !== null && optionAt(command, '--baseline') < 0)
    narrowed = withoutBaselineOfFile(narrowed);
  if (implementation !== reference && !/#\d+$/.test(implementation))
    narrowed = withOption(narrowed, '--impl', implementation);
  const isSide = batch === 'left' || batch === 'right';
  if (isSide && !NAMED_BATCHES.some((flag) => optionAt(command, flag) >= 0))
    narrowed = withOption(narrowed, '--padding', batch);
  return narrowed;
}

/** Options with a value that say what a run is held against. */
const BASELINE_OPTIONS = ['--baseline', '--max-regression', '--allow'];

/** A baseline that no argument names is one of the configuration file. */
function withoutBaselineOfFile(command: readonly string[]): string[] {
  const at = optionAt(command, '--unset');
  if (at < 0) return withOption(command, '--unset', 'baseline');
  const unset =
    command[at] === '--unset' ? command[at + 1]! : command[at]!.slice('--unset='.length);
  return withOption(command, '--unset', `${unset},baseline`);
}

function withoutOption(command: readonly string[], flag: string): string[] {
  const at = optionAt(command, flag);
  return at < 0 ? [...command] : command.toSpliced(at, command[at] === flag ? 2 : 1);
}

function optionAt(command: readonly string[], flag: string): number {
  return command.findIndex((argument) => argument === flag || argument.startsWith(`${flag}=`));
}

function withOption(command: readonly string[], flag: string, value: string): string[] {
  const at = optionAt(command, flag);
  const pair = value.startsWith('-') ? [`${flag}=${value}`] : [flag, value];
  return at < 0
    ? [...command, ...pair]
    : [...command.slice(0, at), ...pair, ...command.slice(at + (command[at] === flag ? 2 : 1))];
}
