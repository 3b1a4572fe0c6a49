import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runInProcess } from '../support/inProcess.js';
import { readDocument, recipesBelow } from './documents.js';

const SHARDS = 4;
const folder = mkdtempSync(join(tmpdir(), 'attn-diff-recipes-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Programs that write down their arguments, one line each, and what a scheduler's would print. */
const path = join(folder, 'path');
mkdirSync(path);
const LOGGING =
  'line=$(for argument in "$@"; do printf "%s\\t" "$argument"; done; echo .)\necho "$line" >> "$LOG"';
const PROGRAMS = {
  npx: 'exec "$@"',
  'attn-diff': `${LOGGING}\nlast=; for argument in "$@"; do [ "$last" = --output ] && : > "$argument"; last=$argument; done\nexit "\${STUB_EXIT:-0}"`,
  sbatch: `${LOGGING}\necho 42`,
};
for (const [name, text] of Object.entries(PROGRAMS)) {
  writeFileSync(join(path, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(path, name), 0o755);
}

/** A script with the shell and the variables that its scheduler gives it. */
interface Job {
  shell: readonly [string, ...string[]];
  script: string;
  env?: Record<string, string>;
}

interface Ended {
  exitCode: number;
  /** The arguments of each program that was run. */
  calls: string[][];
}

/**
 * Runs scripts in one folder, one after the other.
 *
 * @param exits what attn-diff ends with in each
 */
function execute(jobs: readonly Job[], exits: readonly number[] = []): Ended[] {
  const cwd = mkdtempSync(join(folder, 'run-'));
  const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const lines = jobs.map(({ shell, script, env = {} }, i) => {
    const [file, log] = [join(cwd, `.script-${i}`), join(cwd, `.log-${i}`)];
    writeFileSync(file, script);
    writeFileSync(log, '');
    const variables = {
      PATH: [path, process.env['PATH']].join(delimiter),
      LOG: log,
      STUB_EXIT: String(exits[i] ?? 0),
      ...env,
    };
    return `env -i ${Object.entries(variables)
      .map(([name, value]) => quoted(`${name}=${value}`))
      .join(' ')} ${shell.join(' ')} ${quoted(file)} > /dev/null 2>&1; echo $?`;
  });
  const { stdout } = spawnSync('sh', ['-c', lines.join('\n')], { cwd, encoding: 'utf8' });
  const logged = (i: number): string[] =>
    readFileSync(join(cwd, `.log-${i}`), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  return stdout
    .trimEnd()
    .split('\n')
    .map((exitCode, i) => ({
      exitCode: Number(exitCode),
      calls: logged(i).map((line) => line.split('\t').slice(0, -1)),
    }));
}

interface Recipe {
  /** As many jobs as the scheduler makes of it. */
  shards: Job[];
  merge: Job;
}

const document = readDocument('docs/many-machines.md');
const recipes = (name: string): string[] => recipesBelow(document, `### ${name}`);
const indices = (count: number, from: number): string[] =>
  Array.from({ length: count }, (_, i) => String(i + from));

function oneMachine(): Recipe {
  const [lines] = recipes('One machine');
  const merge = /^npx attn-diff merge.*$/m.exec(lines!)![0];
  return {
    shards: [{ shell: ['sh', '-e'], script: lines!.replace(merge, '') }],
    merge: { shell: ['sh', '-e'], script: merge },
  };
}

interface Step {
  run?: string;
  uses?: string;
  with?: Record<string, string>;
}

interface Workflow {
  jobs: Record<
    'shard' | 'merge',
    {
      needs?: string;
      env: Record<string, string>;
      strategy: { matrix: { index: number[] } };
      steps: Step[];
    }
  >;
}

const ofAttnDiff = ({ run = '' }: Step): boolean =>
  run.includes('attn-diff ') && !run.startsWith('npm ');
const workflow = parse(recipes('GitHub Actions')[0]!) as Workflow;

function github(): Recipe {
  const { shard, merge } = workflow.jobs;
  const { index } = shard.strategy.matrix;
  const filled = (text: string, value: number): string =>
    text
      .replaceAll('${{ matrix.index }}', String(value))
      .replaceAll('${{ strategy.job-total }}', String(index.length));
  const jobOf = (steps: readonly Step[], env: Record<string, string> = {}): Job => ({
    shell: ['bash', '-e'],
    script: steps.find(ofAttnDiff)!.run!,
    env,
  });
  return {
    shards: index.map((value) =>
      jobOf(
        shard.steps,
        Object.fromEntries(
          Object.entries(shard.env).map(([name, text]) => [name, filled(text, value)]),
        ),
      ),
    ),
    merge: jobOf(merge.steps),
  };
}

interface Pipeline {
  stages: string[];
  shard: { stage: string; parallel: number; script: string[]; artifacts: { paths: string[] } };
  merge: { stage: string; script: string[] };
}

const pipeline = parse(recipes('GitLab CI')[0]!) as Pipeline;

function gitlab(): Recipe {
  const jobOf = (script: readonly string[], env: Record<string, string> = {}): Job => ({
    shell: ['bash', '-eo', 'pipefail'],
    script: script.join('\n'),
    env,
  });
  const { shard, merge } = pipeline;
  return {
    shards: indices(shard.parallel, 1).map((index) =>
      jobOf(shard.script, { CI_NODE_INDEX: index, CI_NODE_TOTAL: String(shard.parallel) }),
    ),
    merge: jobOf(merge.script),
  };
}

function slurm(): Recipe {
  const [shards, merge] = recipes('Slurm');
  const [, last] = /^#SBATCH --array=1-(\d+)$/m.exec(shards!)!;
  const [, cpus] = /^#SBATCH --cpus-per-task=(\d+)$/m.exec(shards!)!;
  return {
    shards: indices(Number(last), 1).map((index) => ({
      shell: ['bash'],
      script: shards!,
      env: { SLURM_ARRAY_TASK_ID: index, SLURM_CPUS_PER_TASK: cpus! },
    })),
    merge: { shell: ['bash'], script: merge! },
  };
}

interface Manifest {
  spec: {
    completionMode?: string;
    completions: number;
    podFailurePolicy?: {
      rules: { action: string; onExitCodes: { operator: string; values: number[] } }[];
    };
    template: {
      spec: {
        containers: [
          {
            command: [string, ...string[]];
            args: string[];
            env?: { name: string; value: string }[];
          },
        ];
      };
    };
  };
}

/** A kubelet puts variables of the container in the place of $(NAME), and leaves what names none as it is. */
function expanded(text: string, env: Record<string, string>): string {
  return text.replaceAll(/\$\(([^)]*)\)/g, (all, name: string) => env[name] ?? all);
}

function kubernetes(): Recipe {
  const jobOf = ({ spec: { template } }: Manifest, own: Record<string, string>): Job => {
    const [{ command, args, env = [] }] = template.spec.containers;
    const all = { ...Object.fromEntries(env.map(({ name, value }) => [name, value])), ...own };
    expect(command).toEqual(['sh', '-c']);
    return { shell: ['sh'], script: expanded(args[0]!, all), env: all };
  };
  const [shards, merge] = recipes('Kubernetes').map((text) => parse(text) as Manifest) as [
    Manifest,
    Manifest,
  ];
  expect(shards.spec.completionMode).toBe('Indexed');
  return {
    shards: indices(shards.spec.completions, 0).map((index) =>
      jobOf(shards, { JOB_COMPLETION_INDEX: index }),
    ),
    merge: jobOf(merge, {}),
  };
}

const RECIPES: Record<string, () => Recipe> = {
  'One machine': oneMachine,
  'GitHub Actions': github,
  'GitLab CI': gitlab,
  Slurm: slurm,
  Kubernetes: kubernetes,
};
const names = Object.keys(RECIPES);

/** What a shard's job must come to, but for options that change nothing of its report. */
const expectedRun = (index: string): string[] => [
  'run',
  '--model',
  './my-model',
  '--data',
  'prompts.jsonl',
  '--shard',
  `${index}/${SHARDS}`,
  '--format',
  'json',
  '--output',
  `shard-${index}.json`,
];
const essential = (args: readonly string[]): string[] =>
  args.filter((argument) => argument !== '--resume' && argument !== '--no-ci');

describe.each(names)('the recipe for %s', (name) => {
  const { shards, merge } = RECIPES[name]!();
  const ended = execute([...shards, merge]);
  const calls = ended.flatMap((each) => each.calls);

  it('runs every shard once, each to a file of its own, and merges all of these', () => {
    const [ran, merged] = [
      calls.filter(([command]) => command === 'run'),
      calls.filter(([command]) => command === 'merge'),
    ];
    expect(ended.map(({ exitCode }) => exitCode)).toEqual(ended.map(() => 0));
    expect(ran.map(essential).toSorted((a, b) => a.join().localeCompare(b.join()))).toEqual(
      indices(SHARDS, 1).map(expectedRun),
    );
    expect(merged.map((args) => args.slice(0, SHARDS + 1))).toEqual([
      ['merge', ...indices(SHARDS, 1).map((index) => `shard-${index}.json`)],
    ]);
  });

  it('gives options that attn-diff takes', async () => {
    // There is no model, and there are no reports: that is all that is wrong.
    expect(await runInProcess(calls[0]!, folder)).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('./my-model: no such file'),
    });
    expect(await runInProcess(calls.at(-1)!, folder)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('shard-1.json: '),
    });
  });

  it('goes on where a shard’s gate fails, and not where a shard could not be run; the verdict is that of the whole', () => {
    const [shard] = shards as [Job];
    const [failed, ...broken] = execute([shard, shard, shard, shard, merge], [1, 2, 3, 4, 1]).map(
      ({ exitCode }) => exitCode,
    );
    expect(failed).toBe(0);
    expect(broken.every((exitCode) => exitCode !== 0)).toBe(true);
    expect(broken.at(-1)).toBe(1);
  });
});

describe('the recipes', () => {
  it('hand reports from the shards of GitHub Actions to the job that merges them', () => {
    const { shard, merge } = workflow.jobs;
    const upload = shard.steps.find(({ uses }) =>
      uses?.startsWith('actions/upload-artifact'),
    )!.with!;
    const download = merge.steps.find(({ uses }) =>
      uses?.startsWith('actions/download-artifact'),
    )!.with!;
    expect(merge.needs).toBe('shard');
    expect(upload).toEqual({
      name: 'shard-${{ matrix.index }}',
      path: 'shard-${{ matrix.index }}.json',
    });
    expect(download).toEqual({ pattern: 'shard-*', 'merge-multiple': true });
    expect(shard.steps.find(ofAttnDiff)!.run).toContain('--no-ci');
  });

  it('hand reports from the shards of GitLab to a later stage', () => {
    const { stages, shard, merge } = pipeline;
    expect(stages.indexOf(merge.stage)).toBeGreaterThan(stages.indexOf(shard.stage));
    expect(shard.artifacts.paths).toEqual(['shard-*.json']);
  });

  it('end on Kubernetes with the exit codes by which its policy gives a job up', () => {
    const { rules } = (parse(recipes('Kubernetes')[0]!) as Manifest).spec.podFailurePolicy!;
    expect(rules).toEqual([{ action: 'FailJob', onExitCodes: { operator: 'In', values: [2, 3] } }]);
    const [shard] = kubernetes().shards as [Job];
    expect(
      execute([shard, shard, shard, shard, shard], [0, 1, 2, 3, 4]).map(({ exitCode }) => exitCode),
    ).toEqual([0, 0, 2, 3, 4]);
  });

  it('are scripts that Slurm takes: the merge waits until all of the array have ended well', () => {
    const [shards, merge, submit] = recipes('Slurm') as [string, string, string];
    for (const script of [shards, merge]) {
      expect(script.startsWith('#!/bin/bash\n#SBATCH ')).toBe(true);
      expect(() => execFileSync('bash', ['-n'], { input: script })).not.toThrow();
    }
    expect(execute([{ shell: ['sh', '-e'], script: submit }])).toEqual([
      {
        exitCode: 0,
        calls: [
          ['--parsable', 'shards.sbatch'],
          ['--dependency=afterok:42', 'merge.sbatch'],
        ],
      },
    ]);
  });
});
