import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');

/** The documents that the tests hold to the truth, as paths from the root. */
export const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...documentsBelow('docs'),
];

function documentsBelow(folder: string): string[] {
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.md'),
  );
  return names.map((name) => `${folder}/${name.replaceAll('\\', '/')}`).toSorted();
}

export function readDocument(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** A command that a document shows; `output` is null where it shows none. */
export interface ShownCommand {
  command: string;
  output: string[] | null;
  exitCode: number;
}

const LEADS_COMMAND = /^\s*(?:- )?(?:run: )?((?:npx )?attn-diff|node bin\/attn-diff\.js) /;

/**
 * The attn-diff commands in a document's fenced blocks, in order. In `console` blocks every line that starts with
 * `$ ` is a command, what follows is its output, and `$ echo $?` shows the exit code of the command before. Those of
 * recipes (`yaml recipe`) are a scheduler's to run: see recipes.test.ts.
 */
export function shownCommands(markdown: string): ShownCommand[] {
  return fencedBlocks(markdown)
    .filter(({ isRecipe }) => !isRecipe)
    .flatMap(({ language, lines }) =>
      language === 'console' ? session(lines) : plainCommands(lines),
    );
}

interface FencedBlock {
  language: string;
  isRecipe: boolean;
  lines: string[];
}

function fencedBlocks(markdown: string): FencedBlock[] {
  return [...markdown.matchAll(/^```(\w*)( recipe)?\n([^]*?)^```$/gm)].map(
    ([, language, recipe, body]) => ({
      language: language!,
      isRecipe: recipe !== undefined,
      lines: body!.trimEnd().split('\n'),
    }),
  );
}

/** The recipes below a heading, as they are to be put into files. */
export function recipesBelow(markdown: string, heading: string): string[] {
  const section = markdown.split(/^(?=#+ )/m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  return fencedBlocks(section)
    .filter(({ isRecipe }) => isRecipe)
    .map(({ lines }) => `${lines.join('\n')}\n`);
}

function session(lines: readonly string[]): ShownCommand[] {
  const commands: (ShownCommand & { output: string[] })[] = [];
  let last: string[] | null = null;
  for (const line of lines) {
    if (!line.startsWith('$ ')) {
      if (!last) throw new Error(`a console block starts with a command, not with: ${line}`);
      last.push(line);
      continue;
    }
    last = [];
    commands.push({ command: line.slice(2), output: last, exitCode: 0 });
  }
  return commands.flatMap((shown, i) => {
    if (shown.command === 'echo $?') return [];
    const next = commands[i + 1];
    return [{ ...shown, exitCode: next?.command === 'echo $?' ? Number(next.output[0]) : 0 }];
  });
}

function plainCommands(lines: readonly string[]): ShownCommand[] {
  return lines
    .filter((line) => LEADS_COMMAND.test(line))
    .map((line) => ({
      command: line.replace(LEADS_COMMAND, '$1 ').trim(),
      output: null,
      exitCode: 0,
    }));
}

/** The cells of the tables below a heading, one array of rows per table; header rows left out. */
export function tablesBelow(markdown: string, heading: string): string[][][] {
  const section = markdown.split(/^(?=#)/m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`no heading ${heading}`);
  return section
    .split(/\n(?!\|)/)
    .map((block) => block.split('\n').filter((line) => line.startsWith('|')))
    .filter((table) => table.length > 0)
    .map((table) =>
      table.slice(2).map((line) =>
        line
          .split(/(?<!\\)\|/)
          .slice(1, -1)
          .map((cell) => cell.trim()),
      ),
    );
}
