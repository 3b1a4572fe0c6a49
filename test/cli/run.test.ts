import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { documentJsonSchema } from '../../src/report/index.js';
import { call, expectRefusal, report, run, TestFolder } from '../support/cli.js';
import { fixture, FIXTURES } from '../support/fixtures.js';

const folder = new TestFolder();
const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
const MODEL = ['run', '--model', fixture('qwen2-optimum')];
const RIGHT = [...MODEL, '--padding', 'right'];

/** A run that several tests look at. */
function once<T>(start: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined;
  return () => (started ??= start());
}

describe('what needs no model', () => {
  it('--version', async () => {
    expect(await run(['--version'])).toEqual({
      code: EXIT.passed,
      stdout: `${version}\n`,
      stderr: '',
      left: [],
    });
  });
  it.each([
    [['--help']],
    [['run', '--help']],
    [['demo', '--help']],
    [['inspect', '--help']],
    [['schema', '--help']],
    [['help', 'run']],
  ])('%j lists the exit codes', async (args) => {
    const { code, stdout, stderr } = await call(args);
    expect({ code, stderr }).toEqual({ code: EXIT.passed, stderr: '' });
    expect(stdout.match(/^ {2}(\d) {2}\S/gm)?.map((line) => Number(line.trim()[0]))).toEqual(
      Object.values(EXIT),
    );
  });
  it.each([[], ['report'], ['bench'], ['doctor'], ['baseline'], ['compare']])(
    'schema %s prints the JSON Schema of that document',
    async (...name) => {
      const { code, stdout } = await call(['schema', ...name]);
      expect(code).toBe(EXIT.passed);
      expect(JSON.parse(stdout)).toEqual(
        JSON.parse(JSON.stringify(documentJsonSchema((name[0] ?? 'report') as 'report'))),
      );
    },
  );
  it('schema of what there is not is refused', async () => {
    expectRefusal(await call(['schema', 'inspect']), EXIT.usage, 'report, bench, doctor');
  });
});

describe('a run', () => {
  it('demo passes, with both paddings and three implementations', async () => {
    const { code, stdout, stderr, left } = await run(['demo']);
    expect({ code, stderr, left }).toEqual({ code: EXIT.passed, stderr: '', left: [] });
    expect(stdout).toMatch(/^PASSED: sdpa and flash stayed within rounding of eager/m);
    expect(stdout).toContain('Batch left');
    expect(stdout).toContain('Batch right');
  });

  it('gives the same report in a process of its own and in this one, but for the time it took', async () => {
    const [first, second] = [await report(MODEL, run), await report(MODEL)];
    expect([first.code, second.code]).toEqual([EXIT.passed, EXIT.passed]);
    expect({ ...second.report, timing: null }).toEqual({ ...first.report, timing: null });
    expect(first.report.batches.map(({ name, source }) => ({ name, source }))).toEqual([
      { name: 'left', source: 'built-in' },
      { name: 'right', source: 'built-in' },
    ]);
  });

  it.each(FIXTURES)('%s: eager twice is bit-identical in every row', async (name) => {
    const {
      code,
      report: { implementations, rows, rebuild },
    } = await report(['run', '--model', fixture(name), '--impl', 'eager,eager']);
    // Its own nodes, which are judged whatever is asked for, make NaN of rows that are fully masked.
    expect(code).toBe(name === 'qwen2-eager-inf' ? EXIT.gateFailed : EXIT.passed);
    expect(implementations.map((item) => item.name)).toEqual(['eager', 'eager#2']);
    const second = rows.filter((row) => row.implementation === 'eager#2');
    expect(new Set(second.map(({ batch, kind }) => `${batch} ${kind}`)).size).toBe(4);
    for (const row of second)
      expect(row).toMatchObject({
        maxAbs: 0,
        meanL2: 0,
        relL2: 0,
        bias: 0,
        nan: 0,
        inf: 0,
        firstToken: null,
      });
    expect(rebuild.originalRelL2).toBeLessThanOrEqual(1e-6);
  });

  it('--reference exact puts it in front, in float64', async () => {
    const {
      code,
      report: { reference, implementations, rows },
    } = await report([...RIGHT, '--impl', 'eager', '--reference', 'exact']);
    expect(code).toBe(EXIT.passed);
    expect(reference).toBe('exact');
    expect(implementations.map(({ name, precision }) => [name, precision])).toEqual([
      ['exact', 'fp64'],
      ['eager', 'fp32'],
    ]);
    const eager = rows.find(
      (row) => row.implementation === 'eager' && row.tap === 'logits' && row.kind === 'valid',
    )!;
    expect(eager.relL2).toBeGreaterThan(0);
    expect(eager.relL2).toBeLessThan(1e-5);
  });
});

describe('gates', () => {
  it('--max-abs 0 fails where flash differs, and names it', async () => {
    const {
      code,
      report: { verdict },
    } = await report([...RIGHT, '--max-abs', '0']);
    expect(code).toBe(EXIT.gateFailed);
    const failed = verdict.checks.filter(({ passed }) => !passed);
    expect(new Set(failed.map(({ name, implementation }) => `${name} ${implementation}`))).toEqual(
      new Set(['max-abs flash']),
    );
  });
  it.each([
    ['--max-abs', '1'],
    ['--min-cosine', '0.999'],
    ['--fail-on', 'none'],
  ])('%s %s passes', async (...args) => {
    const {
      code,
      report: { verdict },
    } = await report([...RIGHT, '--impl', 'eager,flash', ...args]);
    expect(code).toBe(EXIT.passed);
    expect(verdict.passed).toBe(true);
  });
});

describe('NaN from a mask of −inf', () => {
  const INF = [
    'run',
    '--model',
    fixture('qwen2-eager-inf'),
    '--padding',
    'left',
    '--impl',
    'original,eager,flash',
  ];
  /** One run, with the report in both formats. */
  const onInf = once(async () => {
    const path = folder.path('inf.txt');
    const result = await report([...INF, '--report', `text=${path}`]);
    return { ...result, text: readFileSync(path, 'utf8') };
  });
  const FILLED = [...MODEL, '--padding', 'left', '--mask-fill=-inf', '--impl', 'eager,sdpa,flash'];

  it.each([
    ['original', INF, ['eager', 'flash']],
    ['eager', FILLED, ['flash', 'sdpa']],
  ])(
    '%s: at layer 0 on fully masked rows, on valid ones from layer 1',
    async (guilty, args, clean) => {
      const {
        code,
        report: { rows, findings },
      } = await (args === INF ? onInf() : report(args));
      expect(code).toBe(EXIT.gateFailed);
      const own = rows.filter(({ scope, nan }) => scope === 'accumulated' && Number(nan) > 0);
      expect(new Set(own.map(({ implementation }) => implementation))).toEqual(new Set([guilty]));
      const first = (kind: string): number =>
        Math.min(...own.filter((row) => row.kind === kind).map(({ layer }) => layer ?? Infinity));
      expect({ fullyMasked: first('fullyMasked'), valid: first('valid') }).toEqual({
        fullyMasked: 0,
        valid: 1,
      });
      expect(findings).toContainEqual(
        expect.objectContaining({
          code: 'fully-masked-nan',
          implementation: guilty,
          layer: 0,
          spreadsToValidAtLayer: 1,
        }),
      );
      for (const row of rows.filter(
        ({ implementation, scope }) => clean.includes(implementation) && scope === 'accumulated',
      ))
        expect(row).toMatchObject({ nan: 0, inf: 0 });
    },
  );

  it('the NaN table names the implementation, the layer and the kind of token', async () => {
    const { code, text: stdout } = await onInf();
    expect(code).toBe(EXIT.gateFailed);
    const table = stdout.slice(stdout.indexOf('NaN and Inf\n'), stdout.indexOf('Findings\n'));
    expect(table).toMatch(/^original +0 +attention +(accumulated +)?fully masked .*first$/m);
    expect(table).toMatch(/^ +1–3 +attention +(accumulated +)?valid /m);
    expect(table).not.toMatch(/^(eager|flash)/m);
    expect(stdout).toMatch(
      /^FAILED: original became NaN on fully masked rows at layer 0, and on valid tokens at layer 1/m,
    );
  });

  it('--fail-on none lets it pass', async () => {
    expect((await report([...INF, '--fail-on', 'none'])).code).toBe(EXIT.passed);
  });
});

describe('batches', () => {
  it.each<[string, () => Promise<string[]>, object]>([
    [
      '--prompt, several times',
      async () => [
        '--prompt',
        'Good morning.',
        '--prompt',
        'The old bridge was closed, so everyone took the ferry.',
      ],
      { size: 2, source: '--prompt' },
    ],
    [
      '--prompts with one a line',
      async () => [
        '--prompts',
        await folder.write('p.txt', 'one\n\ntwo words\nthree words here\n'),
      ],
      { size: 3 },
    ],
    [
      '--prompts with JSONL',
      async () => [
        '--prompts',
        await folder.write('p.jsonl', '{"text":"one"}\n{"text":"two words\\nand a line"}\n'),
      ],
      { size: 2 },
    ],
    ['--length', async () => ['--length', '12'], { length: 12 }],
  ])('%s', async (_name, args, batch) => {
    const {
      code,
      report: { batches },
    } = await report([...RIGHT, '--impl', 'eager,flash', ...(await args())]);
    expect(code).toBe(EXIT.passed);
    expect(batches).toEqual([
      expect.objectContaining({ name: 'right', padding: 'right', ...batch }),
    ]);
    const { valid, padding, fullyMasked } = batches[0]!.tokens;
    expect(valid + padding).toBe(batches[0]!.size * batches[0]!.length);
    expect(padding).toBeGreaterThan(0);
    expect(fullyMasked).toBe(0);
  });

  it('--random is made by its seed alone', async () => {
    const seeded = (seed: string): ReturnType<typeof report> =>
      report([...RIGHT, '--impl', 'eager,flash', '--random', '2x16', '--seed', seed]);
    const [three, again, four] = [await seeded('3'), await seeded('3'), await seeded('4')];
    expect(three.report.batches[0]).toMatchObject({ size: 2, length: 16, source: 'random' });
    expect(again.report.rows).toEqual(three.report.rows);
    expect(four.report.rows).not.toEqual(three.report.rows);
  });
});
