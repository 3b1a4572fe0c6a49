import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { expectRefusal, TestFolder } from '../support/cli.js';
import { runInProcess, type InProcessResult } from '../support/inProcess.js';

const folder = new TestFolder();
const RUN = ['demo', '--random', '2x9', '--impl', 'eager,flash'];
const refused = ({
  exitCode: code,
  ...rest
}: InProcessResult): Parameters<typeof expectRefusal>[0] => ({ code, ...rest });

/** A report but for its time. */
function document(path: string): object {
  return { ...(JSON.parse(readFileSync(path, 'utf8')) as object), timing: null };
}

describe('attn-diff merge', () => {
  const shards = [1, 2, 3].map((index) => folder.path(`shard-${index}.json`));

  const results: InProcessResult[] = [];
  beforeAll(async () => {
    for (const [i, path] of shards.entries())
      results.push(
        await runInProcess([...RUN, '--shard', `${i + 1}/3`, '--output', path, '--format', 'json']),
      );
  });

  it('is given shards that pass, be it without a batch', () => {
    expect(results.map(({ exitCode, output }) => ({ exitCode, output }))).toEqual(
      Array.from({ length: 3 }, () => ({ exitCode: EXIT.passed, output: '' })),
    );
    expect(document(shards[2]!)).toMatchObject({
      batches: [],
      rows: [],
      verdict: { passed: true, checks: [] },
    });
  });

  it('makes of the reports of all shards what one run writes, in any format', async () => {
    const [whole, merged, comment] = [
      folder.path('whole.json'),
      folder.path('merged.json'),
      folder.path('merged.md'),
    ];
    await runInProcess([...RUN, '--output', whole, '--format', 'json']);
    const result = await runInProcess([
      'merge',
      shards[2]!,
      shards[0]!,
      shards[1]!,
      '--report',
      `json=${merged}`,
      '--report',
      `markdown=${comment}`,
      '--format',
      'text',
    ]);
    expect(result).toMatchObject({ exitCode: EXIT.passed, stderr: '' });
    expect(result.stdout).toMatch(/^PASSED: flash stayed within rounding of eager/m);
    expect(document(merged)).toEqual(document(whole));
    expect(readFileSync(comment, 'utf8')).toContain('attn-diff: PASSED');
  });

  it('holds the whole against a baseline, as one run is, and saves it as one', async () => {
    const [whole, saved, merged] = [
      folder.path('held.json'),
      folder.path('baseline.json'),
      folder.path('held-merged.json'),
    ];
    expect(await runInProcess(['merge', ...shards, '--save-baseline', saved])).toMatchObject({
      exitCode: EXIT.passed,
      stderr: `attn-diff: saved the baseline ${saved}.\n`,
    });
    await runInProcess([
      ...RUN,
      '--baseline',
      saved,
      '--allow',
      'cpu',
      '--output',
      whole,
      '--format',
      'json',
    ]);
    await runInProcess([
      'merge',
      ...shards,
      '--baseline',
      saved,
      '--allow',
      'cpu',
      '--output',
      merged,
      '--format',
      'json',
    ]);
    expect(document(merged)).toEqual(document(whole));
    expect(document(merged)).toMatchObject({ baseline: { path: saved } });
  });

  it('has the exit code of the whole', async () => {
    const failing = shards.map((path, i) => {
      const report = JSON.parse(readFileSync(path, 'utf8')) as {
        shard: { gate: { budgets: object[] } };
      };
      report.shard.gate.budgets.push({
        metric: 'max-abs',
        limit: 0,
        level: 'error',
        taps: null,
        scopes: null,
        layers: null,
        implementations: null,
        batches: null,
        kinds: ['valid'],
        source: { kind: 'flag', flag: '--max-abs' },
      });
      writeFileSync(folder.path(`failing-${i}.json`), JSON.stringify(report));
      return folder.path(`failing-${i}.json`);
    });
    expect((await runInProcess(['merge', ...failing])).exitCode).toBe(EXIT.gateFailed);
  });

  it('says in one line what is wrong with what it is given, and writes nothing', async () => {
    const output = folder.path('nothing.json');
    writeFileSync(
      folder.path('other.json'),
      readFileSync(shards[1]!, 'utf8').replace(/"node": "[^"]*"/, '"node": "1.2.3"'),
    );
    const merge = async (...args: string[]): Promise<Parameters<typeof expectRefusal>[0]> =>
      refused(await runInProcess(['merge', ...args, '--output', output]));
    expectRefusal(await merge(shards[0]!, shards[1]!), EXIT.usage, 'shard 3 of 3 is missing');
    expectRefusal(
      await merge(shards[0]!, folder.path('other.json'), shards[2]!),
      EXIT.usage,
      'other.json',
      'environment.node',
      '--allow node',
    );
    expectRefusal(await merge(folder.path('none.json')), EXIT.usage, 'none.json', 'no such file');
    expectRefusal(await merge(shards[0]!, '--allow', 'attnDiff'), EXIT.usage, '--allow', 'cpu');
    expectRefusal(refused(await runInProcess(['merge'])), EXIT.usage, 'attn-diff merge --help');
    expect(() => readFileSync(output)).toThrow('ENOENT');
    expect(
      (
        await runInProcess([
          'merge',
          shards[0]!,
          folder.path('other.json'),
          shards[2]!,
          '--allow',
          'node',
        ])
      ).stdout,
    ).toMatch(/node \S+ \(shards 1, 3\); 1\.2\.3\s+\(shard\s+2\)/);
  });

  it('has shards that are written to standard output keep their batches apart', async () => {
    await folder.write('attn-diff.shard-2-of-3.partial.jsonl', '?\n');
    await folder.write('prompts.txt', 'One.\nTwo.\n');
    expectRefusal(
      refused(await runInProcess(['demo', '--data', 'prompts.txt', '--shard', '2/3'], folder.root)),
      EXIT.usage,
      'attn-diff.shard-2-of-3.partial.jsonl',
    );
  });
});
