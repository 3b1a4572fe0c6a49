import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { EXIT } from '../../src/errors.js';
import { TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';
import { runInProcess } from '../support/inProcess.js';

const root = new TestFolder();

function project(name: string): string {
  const folder = root.path(name);
  mkdirSync(folder);
  symlinkSync(fixture('qwen2-optimum'), join(folder, 'model'));
  return folder;
}

describe('init', () => {
  it('writes a configuration and a workflow with which run passes', async () => {
    const folder = project('first');
    expect(await runInProcess(['init', '--model', './model'], folder)).toMatchObject({
      exitCode: EXIT.passed,
      stderr: '',
      stdout: expect.stringContaining('attn-diff.config.json and .github/workflows/attn-diff.yml'),
    });
    const workflow = parse(
      readFileSync(join(folder, '.github/workflows/attn-diff.yml'), 'utf8'),
    ) as { jobs: { attention: { steps: { run?: string }[] } } };
    expect(workflow.jobs.attention.steps.flatMap(({ run }) => run ?? [])).toEqual([
      'npm install --ignore-scripts --no-save ./attn-diff-0.1.0.tgz',
      'npx attn-diff run',
    ]);
    const ran = await runInProcess(
      [
        'run',
        '--impl',
        'eager,flash',
        '--padding',
        'right',
        '--report',
        'html=attn-diff.html',
        '--report',
        'junit=attn-diff.xml',
        '--report',
        'json=attn-diff.json',
      ],
      folder,
    );
    expect(ran).toMatchObject({
      exitCode: EXIT.passed,
      stderr: '',
      stdout: expect.stringMatching(/Config +attn-diff\.config\.json/),
    });
    expect(readdirSync(folder)).toEqual(
      expect.arrayContaining(['attn-diff.html', 'attn-diff.xml']),
    );
    const report = JSON.parse(readFileSync(join(folder, 'attn-diff.json'), 'utf8')) as {
      command: string[];
      configFile: string;
    };
    expect(report).toMatchObject({
      command: ['run', '--impl', 'eager,flash', '--padding', 'right'],
      configFile: 'attn-diff.config.json',
    });
  });

  it('replaces no file unless told to, and writes nothing where the model cannot be read', async () => {
    const folder = project('kept');
    writeFileSync(join(folder, 'attn-diff.config.yaml'), 'mine');
    expect(
      await runInProcess(['init', '--model', './model', '--yaml', '--ci', 'gitlab'], folder),
    ).toMatchObject({
      exitCode: EXIT.usage,
      stderr: expect.stringMatching(
        /^attn-diff: attn-diff\.config\.yaml: it is there already\. Give --force/,
      ),
    });
    for (const ci of ['gitlab', 'github'])
      expect(
        await runInProcess(
          ['init', '--model', './nowhere', '--yaml', '--ci', ci, '--force'],
          folder,
        ),
      ).toMatchObject({ exitCode: EXIT.model });
    expect(readdirSync(folder)).toEqual(['attn-diff.config.yaml', 'model']);
    expect(readFileSync(join(folder, 'attn-diff.config.yaml'), 'utf8')).toBe('mine');
    expect(
      await runInProcess(
        ['init', '--model', './model', '--yaml', '--ci', 'gitlab', '--force'],
        folder,
      ),
    ).toMatchObject({ exitCode: EXIT.passed });
    expect(readdirSync(folder)).toEqual(['.gitlab-ci.yml', 'attn-diff.config.yaml', 'model']);
  });

  it('writes none beside one that is there already, of another name or in package.json', async () => {
    const folder = project('beside');
    writeFileSync(join(folder, 'package.json'), '{ "attn-diff": { "impl": "eager,flash" } }');
    const refused = (path: string) => ({
      exitCode: EXIT.usage,
      stderr: expect.stringMatching(`^attn-diff: ${path}: it holds a configuration already`),
    });
    expect(await runInProcess(['init', '--model', './model', '--force'], folder)).toMatchObject(
      refused('package.json'),
    );
    writeFileSync(join(folder, 'package.json'), '{}');
    writeFileSync(join(folder, 'attn-diff.config.yml'), '{}');
    expect(await runInProcess(['init', '--model', './model', '--force'], folder)).toMatchObject(
      refused('attn-diff.config.yml'),
    );
    expect(readdirSync(folder)).toEqual(['attn-diff.config.yml', 'model', 'package.json']);
  });

  it.each([
    [
      'its lock file',
      { devDependencies: { 'attn-diff': '0.1.0' } },
      ['package-lock.json'],
      'npm ci --ignore-scripts',
      /try: attn-diff run\n$/,
    ],
    [
      'the packages alone, where there is no lock file',
      { dependencies: { 'attn-diff': '0.1.0' } },
      [],
      'npm install --ignore-scripts',
      /try: attn-diff run\n$/,
    ],
    [
      'the tarball that is there',
      { scripts: { 'attn-diff': 'attn-diff run' } },
      ['attn-diff-0.9.0.tgz'],
      'npm install --ignore-scripts --no-save ./attn-diff-0.9.0.tgz',
      /try: attn-diff run\n$/,
    ],
    [
      'a tarball, which it says is missing',
      {},
      [],
      'npm install --ignore-scripts --no-save ./attn-diff-0.1.0.tgz',
      /\nThe workflow installs attn-diff from \.\/attn-diff-0\.1\.0\.tgz, which is not there: /,
    ],
  ])('installs attn-diff from %s', async (name, content, files, command, says) => {
    const folder = project(name);
    for (const path of files) writeFileSync(join(folder, path), '');
    writeFileSync(join(folder, 'package.json'), JSON.stringify(content));
    expect((await runInProcess(['init', '--model', './model'], folder)).stdout).toMatch(says);
    expect(readFileSync(join(folder, '.github/workflows/attn-diff.yml'), 'utf8')).toContain(
      `- run: ${command}\n`,
    );
  });
});

describe('a configuration file', () => {
  it('is found in the folder, named by --config with paths of its own, and left out by --no-config', async () => {
    const folder = project('found');
    mkdirSync(join(folder, 'deep'));
    writeFileSync(
      join(folder, 'deep', 'c.yaml'),
      'model: ../model\nimpl: eager\nmaskFill: min\nreference: flsh\n',
    );
    expect((await runInProcess(['run', '--config', 'deep/c.yaml'], folder)).stderr).toMatch(
      /^attn-diff: deep\/c\.yaml:4, reference: /,
    );
    expect(
      (
        await runInProcess(
          ['run', '--config', 'deep/c.yaml', '--unset', 'reference', '--prompts', 'nothing.txt'],
          folder,
        )
      ).stderr,
    ).toMatch(/^attn-diff: nothing\.txt: /);
    expect(
      (
        await runInProcess(
          ['run', '--config', 'deep/c.yaml', '--reference', 'sdpa', '--prompts', 'nothing.txt'],
          folder,
        )
      ).stderr,
    ).toMatch(/^attn-diff: nothing\.txt: /);
    writeFileSync(join(folder, 'attn-diff.config.json'), '{ "modle": "x" }');
    expect((await runInProcess(['run'], folder)).stderr).toMatch(
      /^attn-diff: attn-diff\.config\.json:1, modle: there is no such key/,
    );
    expect((await runInProcess(['run', '--no-config'], folder)).stderr).toMatch(
      /^attn-diff: --model/,
    );
    writeFileSync(join(folder, 'package.json'), '{ "attn-diff": {} }');
    expect(await runInProcess(['run'], folder)).toMatchObject({
      exitCode: EXIT.usage,
      stderr: expect.stringMatching(
        /several configurations, attn-diff\.config\.json and package\.json/,
      ),
    });
    expect((await runInProcess(['run', '--config', 'nowhere.json'], folder)).stderr).toMatch(
      /^attn-diff: nowhere\.json: it cannot be read/,
    );
  });
});
