import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { completionSpec } from '../../src/commands/completion.js';
import { createProgram } from '../../src/program.js';
import { inProcessRunners } from '../../src/runners/inProcess.js';
import { TestFolder } from '../support/cli.js';
import { runInProcess } from '../support/inProcess.js';

const spec = completionSpec(createProgram({ finish: () => undefined, runners: inProcessRunners }));
const folder = new TestFolder();
const scripts: Record<string, string> = {};

beforeAll(async () => {
  mkdirSync(folder.path('files', 'a folder'), { recursive: true });
  await folder.write('files/prompts one.txt', '');
  await folder.write('files/prompts.jsonl', '');
  for (const shell of ['bash', 'zsh', 'fish']) {
    scripts[shell] = await folder.write(
      `attn-diff.${shell}`,
      (await runInProcess(['completion', shell])).stdout,
    );
  }
});

function isInstalled(shell: string): boolean {
  return spawnSync(shell, ['--version']).status === 0;
}

describe.each([
  ['bash', '-n'],
  ['zsh', '-n'],
  ['fish', '--no-execute'],
])('the script for %s', (shell, check) => {
  it.skipIf(!isInstalled(shell))('is one that it reads', () => {
    const { status, stderr } = spawnSync(shell, [check, scripts[shell]!], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });
});

/** What is typed, as bash hands it over: the line up to the cursor, parted also at `=`, `:` and before `@`. */
interface Typed {
  line: string;
  words: string[];
}

/** Calls the function that the script registers, with the variables that bash sets for it; one bash for all lines. */
function completedByBash(lines: readonly Typed[]): string[][] {
  const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const calls = lines.map(
    ({ line, words }) =>
      `COMP_LINE=${quote(line)} COMP_POINT=${line.length} COMP_CWORD=${words.length - 1} COMP_WORDS=(${words.map(quote).join(' ')}); COMPREPLY=(); "$handler"; printf '%s\\n' "\${COMPREPLY[@]}" ---`,
  );
  // Without a terminal bash loads no variables of readline's.
  const script = [
    'source "$1"',
    'handler=$(complete -p attn-diff | sed "s/.*-F \\([^ ]*\\).*/\\1/")',
    "COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:@'",
    ...calls,
  ].join('\n');
  const { stdout, stderr, status } = spawnSync(
    'bash',
    ['--noprofile', '--norc', '-c', script, 'bash', scripts['bash']!],
    { cwd: folder.path('files'), encoding: 'utf8' },
  );
  expect([status, stderr]).toEqual([0, '']);
  return stdout
    .split('---\n')
    .slice(0, -1)
    .map((part) =>
      part
        .split('\n')
        .filter((word) => word !== '')
        .toSorted(),
    );
}

describe.skipIf(!isInstalled('bash'))('in bash', () => {
  const cases: [string, string[], string[]][] = [
    ['attn-diff ', ['attn-diff', ''], spec.commands.map(({ name }) => name).toSorted()],
    ['attn-diff e', ['attn-diff', 'e'], ['explain']],
    ['attn-diff --v', ['attn-diff', '--v'], ['--version']],
    ['attn-diff run --impl', ['attn-diff', 'run', '--impl'], ['--impl']],
    [
      'attn-diff run --impl ',
      ['attn-diff', 'run', '--impl', ''],
      ['eager', 'exact', 'flash', 'original', 'sdpa'],
    ],
    [
      'attn-diff run --impl eager,',
      ['attn-diff', 'run', '--impl', 'eager,'],
      ['eager,exact', 'eager,flash', 'eager,original', 'eager,sdpa'],
    ],
    [
      'attn-diff run --impl=eager,fl',
      ['attn-diff', 'run', '--impl', '=', 'eager,fl'],
      ['eager,flash'],
    ],
    [
      'attn-diff run --impl eager:scores=fp32,fl',
      ['attn-diff', 'run', '--impl', 'eager', ':', 'scores', '=', 'fp32,fl'],
      ['fp32,flash'],
    ],
    [
      'attn-diff run --impl eager@cpu,fl',
      ['attn-diff', 'run', '--impl', 'eager', '@cpu,fl'],
      ['@cpu,flash'],
    ],
    [
      'attn-diff run --precision ',
      ['attn-diff', 'run', '--precision', ''],
      ['bf16', 'fp16', 'fp32'],
    ],
    ['attn-diff run --mask-fill ', ['attn-diff', 'run', '--mask-fill', ''], ['min']],
    [
      'attn-diff run --mask-fill=',
      ['attn-diff', 'run', '--mask-fill', '='],
      ['-1e4', '-inf', 'min'],
    ],
    ['attn-diff run --mask-fill=-i', ['attn-diff', 'run', '--mask-fill', '=', '-i'], ['-inf']],
    ['attn-diff run --report ma', ['attn-diff', 'run', '--report', 'ma'], ['markdown=']],
    [
      'attn-diff run --report json=pro',
      ['attn-diff', 'run', '--report', 'json', '=', 'pro'],
      ['prompts one.txt', 'prompts.jsonl'],
    ],
    [
      'attn-diff run --report=json=',
      ['attn-diff', 'run', '--report', '=', 'json', '='],
      ['a folder', 'prompts one.txt', 'prompts.jsonl'],
    ],
    [
      'attn-diff run --data prompts.',
      ['attn-diff', 'run', '--data', 'prompts.'],
      ['prompts.jsonl'],
    ],
    ['attn-diff run --save-repro ', ['attn-diff', 'run', '--save-repro', ''], ['a folder']],
    ['attn-diff run --length ', ['attn-diff', 'run', '--length', ''], []],
    [
      'attn-diff run --precision bf16 --prec',
      ['attn-diff', 'run', '--precision', 'bf16', '--prec'],
      [],
    ],
    [
      'attn-diff run --prompt one --prompt',
      ['attn-diff', 'run', '--prompt', 'one', '--prompt'],
      ['--prompt', '--prompts'],
    ],
    [
      `attn-diff run --prompt 'it is: ' --dt`,
      ['attn-diff', 'run', '--prompt', `'it is: '`, '--dt'],
      ['--dtype'],
    ],
    ['attn-diff demo --mod', ['attn-diff', 'demo', '--mod'], []],
    ['attn-diff inspect --format ', ['attn-diff', 'inspect', '--format', ''], ['json', 'table']],
    ['attn-diff schema b', ['attn-diff', 'schema', 'b'], ['baseline', 'bench']],
    ['attn-diff help ins', ['attn-diff', 'help', 'ins'], ['inspect']],
  ];
  let completed: string[][];

  beforeAll(() => {
    completed = completedByBash(cases.map(([line, words]) => ({ line, words })));
  });

  it.each(cases.map(([line, , expected], i) => ({ line, expected, i })))(
    '$line',
    ({ expected, i }) => {
      expect(completed[i]).toEqual(expected);
    },
  );
});

const FISH = 'fish';

describe.skipIf(!isInstalled(FISH))('in fish', () => {
  it.each([
    ['attn-diff run --impl=eager,fl', ['--impl=eager,flash']],
    ['attn-diff run --report json=pro', ['json=prompts one.txt', 'json=prompts.jsonl']],
    ['attn-diff schema repo', ['report']],
    ['attn-diff run --mask-fill ', ['min']],
  ])('%s', (line, expected) => {
    const { stdout } = spawnSync(
      FISH,
      ['--no-config', '-c', `source ${scripts['fish']}; complete -C '${line}'`],
      { cwd: folder.path('files'), encoding: 'utf8', env: { ...process.env, HOME: folder.root } },
    );
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((word) => word.split('\t')[0]),
    ).toEqual(expected);
  });
});
