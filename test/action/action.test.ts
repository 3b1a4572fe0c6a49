import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { starterWorkflow } from '../../src/config/starterWorkflow.js';
import { DOCUMENTS, readDocument, ROOT, tablesBelow } from '../docs/documents.js';
import { TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

interface Step {
  id?: string;
  if?: string;
  uses?: string;
  with?: Record<string, unknown>;
  run?: string;
  shell?: string;
  env?: Record<string, string>;
  'working-directory'?: string;
}

interface Action {
  name: string;
  description: string;
  branding: object;
  inputs: Record<string, { description: string; default: string }>;
  outputs: Record<string, { description: string; value: string }>;
  runs: { using: string; steps: Step[] };
}

const action = parse(readFileSync(join(ROOT, 'action.yml'), 'utf8')) as Action;
const {
  inputs,
  outputs,
  runs: { steps },
} = action;
const folder = new TestFolder();

/** A step as GitHub's runner runs it, with what `${{ inputs.NAME }}` stands for. */
function runStep(
  step: Step,
  {
    cwd,
    given = {},
    env = {},
  }: { cwd: string; given?: Record<string, string>; env?: Record<string, string> },
): { status: number | null; stdout: string; stderr: string; outputs: Record<string, string> } {
  const values: Record<string, string> = {
    ...Object.fromEntries(
      Object.entries(inputs).map(([name, { default: value }]) => [name, value]),
    ),
    ...given,
  };
  const own = Object.fromEntries(
    Object.entries(step.env ?? {}).map(([name, text]) => [
      name,
      text.replaceAll(/\$\{\{ inputs\.([\w-]+) \}\}/g, (_, input: string) => values[input]!),
    ]),
  );
  const output = join(folder.path(), `output-${readdirSync(folder.path()).length}`);
  writeFileSync(output, '');
  const runner = {
    PATH: process.env['PATH']!,
    HOME: process.env['HOME']!,
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_ACTION_PATH: ROOT,
    GITHUB_OUTPUT: output,
    GITHUB_STEP_SUMMARY: join(cwd, 'summary.md'),
    ORT_INTRA_OP_NUM_THREADS: '1',
  };
  const { status, stdout, stderr } = spawnSync(
    'bash',
    ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run!],
    { cwd, encoding: 'utf8', env: { ...runner, ...own, ...env } },
  );
  return { status, stdout, stderr, outputs: outputsOf(readFileSync(output, 'utf8')) };
}

/** The file that a step writes its outputs to, as the runner reads it. */
function outputsOf(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  const lines = text.split('\n');
  while (lines.length > 0) {
    const line = lines.shift()!;
    const [, long, end] = /^([\w-]+)<<(.*)$/.exec(line) ?? [];
    const [, short, value] = /^([\w-]+)=(.*)$/.exec(line) ?? [];
    if (long !== undefined)
      found[long] = lines
        .splice(0, lines.indexOf(end!) + 1)
        .slice(0, -1)
        .join('\n');
    else if (short !== undefined) found[short] = value!;
  }
  return found;
}

const step = (id: string): Step => steps.find((each) => each.id === id)!;

function place(name: string): string {
  mkdirSync(folder.path(name));
  return folder.path(name);
}

describe('action.yml', () => {
  it('is a composite action with the fields that GitHub knows', () => {
    expect(Object.keys(action)).toEqual([
      'name',
      'description',
      'branding',
      'inputs',
      'outputs',
      'runs',
    ]);
    expect(action.branding).toEqual({
      icon: expect.stringMatching(/^[a-z]+$/) as string,
      color: expect.stringMatching(
        /^(white|black|yellow|blue|green|orange|red|purple|gray-dark)$/,
      ) as string,
    });
    expect(action.runs.using).toBe('composite');
    for (const input of Object.values(inputs))
      expect(input).toEqual({
        description: expect.stringMatching(/\S/) as string,
        default: expect.any(String) as string,
      });
    for (const each of steps) {
      const keys =
        each.uses === undefined
          ? ['id', 'if', 'shell', 'working-directory', 'run', 'env']
          : ['id', 'if', 'uses', 'with'];
      expect(keys).toEqual(expect.arrayContaining(Object.keys(each)));
      expect(each.uses ?? each.shell).toMatch(/^(bash|actions\/[\w-]+@[0-9a-f]{40})$/);
    }
  });

  it('takes each action at one commit, as every workflow that init and the documents have: a tag can be moved', () => {
    const texts = [
      readFileSync(join(ROOT, 'action.yml'), 'utf8'),
      ...DOCUMENTS.map(readDocument),
      starterWorkflow('github', { kind: 'dependency', isLocked: true }),
    ];
    const versions = new Map<string, Set<string>>();
    for (const [, name, version] of texts.flatMap((text) => [
      ...text.matchAll(/uses: (actions\/[\w-]+)@(.+)/g),
    ]))
      versions.set(name!, (versions.get(name!) ?? new Set()).add(version!));
    expect(Object.fromEntries([...versions].map(([name, found]) => [name, [...found]]))).toEqual({
      'actions/setup-node': ['249970729cb0ef3589644e2896645e5dc5ba9c38 # v6.5.0'],
      'actions/cache': ['27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5'],
      'actions/upload-artifact': ['b7c566a772e6b6bfb58ed0dc250532a479d7789f # v6.0.0'],
      'actions/download-artifact': ['37930b1c2abaa49bbe596cd826c3c89aef350131 # v7.0.0'],
      'actions/checkout': ['d23441a48e516b6c34aea4fa41551a30e30af803 # v6.1.0'],
    });
  });

  it('puts no input into a script: what a workflow is given could be run there', () => {
    const scripts = steps.flatMap(({ run }) => run ?? []);
    expect(scripts).toHaveLength(3);
    for (const script of scripts) expect(script).not.toContain('${{');
  });

  it('hands every input on, and has an output of a step for each of its own', () => {
    const text = JSON.stringify(steps);
    for (const name of Object.keys(inputs)) expect(text).toContain(`inputs.${name}`);
    const written = readFileSync(join(ROOT, 'scripts', 'action', 'run.sh'), 'utf8');
    for (const [name, { value }] of Object.entries(outputs)) {
      expect(value).toBe(`\${{ steps.run.outputs.${name} }}`);
      expect(written).toContain(`${name}=`);
    }
  });

  it('is documented: every input with its default, every output', () => {
    const [inputTable, outputTable] = tablesBelow(readDocument('docs/ci.md'), '## GitHub Actions');
    const bare = (cell: string): string => cell.replaceAll('`', '');
    expect(inputTable!.map(([name, value]) => [bare(name!), bare(value!)])).toEqual(
      Object.entries(inputs).map(([name, input]) => [name, input.default]),
    );
    expect(outputTable!.map(([name]) => bare(name!))).toEqual(Object.keys(outputs));
  });
});

describe('the step that installs', () => {
  it('runs no install scripts, and builds, in the folder of the action', () => {
    const cwd = place('install');
    writeFileSync(join(cwd, 'npm'), '#!/bin/sh\necho "$PWD: $*"\n');
    chmodSync(join(cwd, 'npm'), 0o755);
    const install = steps.find(({ if: condition }) => condition?.includes('cache-hit'))!;
    const { status, stdout } = runStep(install, {
      cwd,
      env: { PATH: [cwd, process.env['PATH']].join(delimiter) },
    });
    expect([status, stdout]).toEqual([
      0,
      `${ROOT}: ci --ignore-scripts --no-audit --no-fund\n${ROOT}: run build\n`,
    ]);
  });

  it('is left out where the same sources were built before', () => {
    const [first, again] = [0, 1].map((i) =>
      runStep(step('sources'), { cwd: place(`sources-${i}`) }),
    );
    expect(first).toMatchObject({
      status: 0,
      stderr: '',
      outputs: { digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
    });
    expect(again!.outputs).toEqual(first!.outputs);
    expect(step('cache').with!['key']).toContain('steps.sources.outputs.digest');
  });

  it('is cached by the paths that the steps themselves see: in a container github.action_path is that of the host', () => {
    const { outputs: told } = runStep(step('sources'), { cwd: place('root') });
    const paths = (step('cache').with!['path'] as string)
      .trim()
      .split('\n')
      .map((path) => path.replace('${{ steps.sources.outputs.root }}', told['root']!));
    expect(paths).toEqual([join(ROOT, 'node_modules'), join(ROOT, 'dist')]);
    expect(readFileSync(join(ROOT, 'action.yml'), 'utf8')).not.toContain('github.action_path');
  });
});

describe('the step that runs', () => {
  it('writes the reports and tells where they are; annotations and the summary come by themselves', () => {
    const cwd = place('real');
    const {
      status,
      stdout,
      stderr,
      outputs: told,
    } = runStep(step('run'), {
      cwd,
      given: {
        model: fixture('qwen2-eager-inf'),
        args: "--random 2x8 --padding left\n--impl 'original,eager'",
        html: 'page.html',
      },
    });
    expect(status).toBe(1);
    const [html, json] = [join(cwd, 'page.html'), join(cwd, 'attn-diff.json')];
    expect(told).toEqual({
      'exit-code': '1',
      passed: 'false',
      html,
      json,
      files: `${html}\n${json}`,
    });
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({
      command: [
        'run',
        '--model',
        fixture('qwen2-eager-inf'),
        '--impl',
        'original,eager',
        '--random',
        '2x8',
        '--padding',
        'left',
      ],
    });
    expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>/i);
    expect(stdout).toContain('\nFAILED: ');
    expect(stderr).toMatch(/^::error title=attn-diff/);
    expect(readFileSync(join(cwd, 'summary.md'), 'utf8')).toContain('## ✗ attn-diff: FAILED');
  });

  /** With a program in place of attn-diff, which writes down what it is asked, and ends as it is told. */
  function pretended(
    name: string,
    given: Record<string, string>,
    { code = 0, decides = true, writes = [] as string[] } = {},
  ): ReturnType<typeof runStep> & { cwd: string; asked: string[] } {
    const cwd = place(name);
    const own = join(cwd, 'action');
    mkdirSync(join(own, 'bin'), { recursive: true });
    for (const part of ['scripts', 'dist']) symlinkSync(join(ROOT, part), join(own, part));
    writeFileSync(join(own, 'package.json'), '{ "type": "module" }');
    writeFileSync(
      join(own, 'bin', 'attn-diff.js'),
      `import { writeFileSync } from 'node:fs';\nwriteFileSync('asked.json', JSON.stringify(process.argv.slice(2)));\nfor (const path of ${JSON.stringify(writes)}) writeFileSync(path, '');\n${decides ? `process.send({ exitCode: ${code} }, () => process.exit(${code}));` : `process.exit(${code});`}\n`,
    );
    const result = runStep(step('run'), { cwd, given, env: { GITHUB_ACTION_PATH: own } });
    return {
      ...result,
      cwd,
      asked: existsSync(join(cwd, 'asked.json'))
        ? (JSON.parse(readFileSync(join(cwd, 'asked.json'), 'utf8')) as string[])
        : [],
    };
  }

  it('hands on what it is given and nothing else', () => {
    expect(pretended('none', { html: '', json: '' }).asked).toEqual(['run']);
    expect(
      pretended('all', {
        model: 'a model',
        config: 'c.json',
        baseline: 'b.json',
        html: 'h.html',
        json: 'j.json',
        args: '--impl eager,flash',
      }).asked,
    ).toEqual([
      'run',
      '--model',
      'a model',
      '--config',
      'c.json',
      '--baseline',
      'b.json',
      '--report',
      'html=h.html',
      '--report',
      'json=j.json',
      '--impl',
      'eager,flash',
    ]);
  });

  it.each([
    [
      'quotes',
      `--prompt "it's one" --prompt 'two "words"'  --mask-fill=-inf`,
      ['--prompt', "it's one", '--prompt', 'two "words"', '--mask-fill=-inf'],
    ],
    ['lines', '\n--chat\n--prompt\n  a\\ b\n', ['--chat', '--prompt', 'a b']],
    [
      'commands',
      '--prompt "$(touch pwned)" `touch pwned` ; touch pwned & $HOME *',
      ['--prompt', '$(touch pwned)', '`touch', 'pwned`', ';', 'touch', 'pwned', '&', '$HOME', '*'],
    ],
    ['options of xargs', '--help -I {} -n1 %s %d', ['--help', '-I', '{}', '-n1', '%s', '%d']],
  ])('parts words as a shell does, and runs none of them: %s', (name, args, asked) => {
    const result = pretended(`args-${name}`, { html: '', json: '', args });
    expect(result.asked).toEqual(['run', ...asked]);
    expect(existsSync(join(result.cwd, 'pwned'))).toBe(false);
  });

  it('takes a model for a name, whatever is in it', () => {
    const model = '"; touch pwned; $(touch pwned) `touch pwned` \'';
    const { asked, cwd } = pretended('model', { model, html: '', json: '' });
    expect(asked).toEqual(['run', '--model', model]);
    expect(existsSync(join(cwd, 'pwned'))).toBe(false);
  });

  it.each([
    [0, 'true', 0, 'true'],
    [1, 'true', 1, 'false'],
    [2, 'true', 2, undefined],
    [3, 'true', 3, undefined],
    [4, 'true', 4, undefined],
    [0, 'false', 0, 'true'],
    [1, 'false', 0, 'false'],
    [2, 'false', 2, undefined],
    [4, 'false', 4, undefined],
  ])('with exit code %i and fail %s ends with %i, passed %s', (code, fail, status, passed) => {
    const { outputs: told, ...result } = pretended(
      `code-${code}-${fail}`,
      { fail },
      { code, writes: code < 2 ? ['attn-diff.html', 'attn-diff.json'] : [] },
    );
    expect(result.status).toBe(status);
    expect(told['exit-code']).toBe(String(code));
    expect(told['passed']).toBe(passed);
    expect(told['files'] === '').toBe(code >= 2);
  });

  it.each([0, 1, 77])('takes %i for no verdict where attn-diff has not decided on it', (code) => {
    const {
      outputs: told,
      status,
      stdout,
    } = pretended(
      `undecided-${code}`,
      { fail: 'false' },
      { code, decides: false, writes: ['attn-diff.html'] },
    );
    expect([status, told]).toEqual([4, { 'exit-code': '4', html: '', json: '', files: '' }]);
    expect(stdout).toBe('');
  });

  it('takes what node ends with, where it cannot start anything, for no verdict', () => {
    const cwd = place('no-node');
    const {
      status,
      stdout,
      outputs: told,
    } = runStep(step('run'), {
      cwd,
      given: { fail: 'false' },
      env: { NODE_OPTIONS: '--require=./no-such-file.js' },
    });
    expect([status, told]).toEqual([4, { 'exit-code': '4', html: '', json: '', files: '' }]);
    expect(stdout).toBe(
      '::error title=attn-diff::It did not come to an end: node ended with exit code 1.\n',
    );
  });

  it('does not tell of a report that an earlier run has left', () => {
    const cwd = place('old');
    writeFileSync(join(cwd, 'attn-diff.html'), 'old');
    const { status, outputs: told } = runStep(step('run'), {
      cwd,
      given: { model: 'missing', args: '--length 0' },
    });
    expect([status, told]).toEqual([2, { 'exit-code': '2', html: '', json: '', files: '' }]);
    expect(readFileSync(join(cwd, 'attn-diff.html'), 'utf8')).toBe('old');
  });

  it.each([
    ['a quote that is not closed', { args: '--prompt "one' }, 'args cannot be read'],
    [
      'a path with a line end, which would be an output of its own',
      { html: 'a\npassed=true' },
      'a path of html or json holds a line end',
    ],
    ['another word than true and false', { fail: 'yes' }, 'fail is neither true nor false'],
  ])('refuses %s', (name, given, says) => {
    const { status, stdout, outputs: told, asked } = pretended(`refused-${name.length}`, given);
    expect([status, told, asked]).toEqual([2, { 'exit-code': '2' }, []]);
    expect(stdout).toContain(`::error title=attn-diff::${says}`);
  });
});
