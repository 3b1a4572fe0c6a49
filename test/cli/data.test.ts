import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { BIN, call, expectRefusal, outcome, report, start, TestFolder } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';

const folder = new TestFolder();
const DATA = [
  'run',
  '--model',
  fixture('qwen2-optimum'),
  '--data',
  fixture('reference', 'data.jsonl'),
  '--batch-size',
  '4',
  '--impl',
  'eager,flash',
];

/** Has a run of many batches interrupt itself, as Ctrl-C would, as soon as it has kept two. */
async function interrupted(output: string): Promise<{ stderr: string; code: number | null }> {
  const preload = await folder.write(
    'interrupt.mjs',
    `import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { appendFileSync } = fs;
let kept = 0;
fs.appendFileSync = (...args) => {
  appendFileSync(...args);
  if (String(args[0]).endsWith('.partial.jsonl') && ++kept === 2) process.kill(process.pid, 'SIGINT');
};
syncBuiltinESMExports();
`,
  );
  return outcome(
    start(
      process.execPath,
      ['--import', preload, BIN, ...DATA, '--output', output, '--format', 'json'],
      { env: { TMPDIR: folder.root } },
    ),
  );
}

describe('many batches', () => {
  /** What the interrupted run kept. */
  let kept: string;

  it('an interrupted run keeps what is done, and --resume gives the report that one run would have given', async () => {
    const output = folder.path('whole.json');
    const { code, stderr } = await interrupted(output);
    expect(code).toBe(EXIT.execution);
    expect(stderr).toMatch(
      /^attn-diff: interrupted after 2 of 6 batches, which are kept in .*whole\.json\.partial\.jsonl\. Run the same command with --resume to go on\.\n$/,
    );
    expect(existsSync(output)).toBe(false);
    const partial = `${output}.partial.jsonl`;
    kept = readFileSync(partial, 'utf8');

    expectRefusal(
      await call([...DATA, '--output', output, '--format', 'json']),
      EXIT.usage,
      '--resume',
      'whole.json.partial.jsonl',
    );
    expectRefusal(
      await call([
        ...DATA,
        '--output',
        output,
        '--format',
        'json',
        '--resume',
        '--precision',
        'bf16',
      ]),
      EXIT.usage,
      'options',
    );

    const resumed = await call([...DATA, '--output', output, '--format', 'json', '--resume']);
    expect(resumed).toMatchObject({ code: EXIT.passed, stdout: '', stderr: '' });
    expect(existsSync(partial)).toBe(false);
    const { report: whole } = await report(DATA);
    expect(whole.batches.map(({ name }) => name)).toEqual(['1', '2', '3', '4', '5', '6']);
    expect({ ...(JSON.parse(readFileSync(output, 'utf8')) as object), timing: null }).toEqual({
      ...whole,
      timing: null,
    });
  });

  it('a line that was cut off while it was written is run again', async () => {
    const output = folder.path('cut.json');
    await folder.write('cut.json.partial.jsonl', kept.slice(0, -20));
    expect(await call([...DATA, '--output', output, '--format', 'json', '--resume'])).toMatchObject(
      { code: EXIT.passed },
    );
    expect(
      (JSON.parse(readFileSync(output, 'utf8')) as { effects: unknown[] }).effects,
    ).toHaveLength(12);
  });

  it('what is no list of finished batches is refused', async () => {
    const output = folder.path('odd.json');
    await folder.write('odd.json.partial.jsonl', '{"model":"x"}\n{"rows":1}\n');
    expectRefusal(
      await call([...DATA, '--output', output, '--resume']),
      EXIT.usage,
      'odd.json.partial.jsonl',
    );
  });

  it('a run that fails before its first batch is done leaves nothing behind', async () => {
    const output = folder.path('failed.json');
    const result = await call([
      'run',
      '--model',
      fixture('qwen2-optimum'),
      '--data',
      fixture('reference', 'data.jsonl'),
      '--impl',
      'eager:window=none,flash',
      '--output',
      output,
    ]);
    expectRefusal(result, EXIT.model, 'sliding window');
    expect(existsSync(`${output}.partial.jsonl`)).toBe(false);
    expect(existsSync(output)).toBe(false);
  });

  it('a place that cannot hold the finished batches is refused before anything runs', async () => {
    const output = folder.path('taken.json');
    mkdirSync(`${output}.partial.jsonl`);
    expectRefusal(
      await call([...DATA, '--output', output]),
      EXIT.usage,
      'taken.json.partial.jsonl',
      'folder',
    );
  });

  it('--resume without --data is refused', async () => {
    expectRefusal(await call(['demo', '--resume']), EXIT.usage, '--resume', '--data');
  });

  it('a terminal sees one line for each implementation, with the loss of every batch', async () => {
    const { code, stdout } = await call(DATA);
    expect(code).toBe(EXIT.passed);
    expect(stdout).toMatch(/^ *eager \* .*739 /m);
    expect(stdout).toMatch(/[▁▂▃▄▅▆▇█]{6}/);
    expect(stdout.match(/^Batch /gm)).toHaveLength(1);
    expect(stdout).toContain('Batch the worst of 6');
  });
});
