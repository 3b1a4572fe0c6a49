/** What a shell may complete of a command line. */

export type CompletionValue =
  /** One of these, or several between commas. Other values may be allowed besides. */
  | { kind: 'words' | 'list'; words: readonly string[] }
  /** One of these, then `=` and a file. */
  | { kind: 'wordFile'; words: readonly string[] }
  | { kind: 'file' }
  | { kind: 'folder' }
  /** A text or a number, which no shell can know. */
  | { kind: 'other' };

export interface CompletionOption {
  /** `--impl`; of some also a short name, `-h`. */
  names: readonly string[];
  description: string;
  /** Null for an option that takes none. */
  value: CompletionValue | null;
  /** Whether it may be given several times. */
  repeats: boolean;
}

export interface CompletionCommand {
  name: string;
  description: string;
  options: readonly CompletionOption[];
  /** What its arguments are; null for one without. */
  argument: CompletionValue | null;
}

export interface CompletionSpec {
  version: string;
  /** Of the program itself, before any command. */
  options: readonly CompletionOption[];
  commands: readonly CompletionCommand[];
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The words of a value that may stand by themselves: what begins with a dash is taken for an option, unless it follows `=`. */
export function freeWords(words: readonly string[]): string[] {
  return words.filter((word) => !word.startsWith('-'));
}

/** A text as a shell reads it back, between single quotes. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Several items by what they have in common. */
export function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}
