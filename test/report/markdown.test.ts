import { describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/report/index.js';
import type { Check, DiffReport, Explanation, Finding } from '../../src/types.js';
import { notANumber, sampleReport, sampleRow, withoutGuard } from './sample.js';

const plain = { width: 80, color: false };
const BROKEN = sampleReport({
  layers: 6,
  edit: withoutGuard,
  gate: { maxAbs: 1e-6, minCosine: 0.9999999, defaults: 'error' },
});
const LIMIT = 65_536;

const markdown = (report: DiffReport): string => FORMATS.markdown(report, plain);
const section = (text: string, title: string): string =>
  text.slice(text.indexOf(title)).split(/\n(?=### |<details>)/)[0]!;
const rowsOf = (text: string, title: string): string[] =>
  section(text, title)
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2);

/** A run of many of everything, with long names. */
function huge(): DiffReport {
  const names = [
    'eager',
    ...Array.from({ length: 40 }, (_, i) => `flash@webgpu:kernel=${'k'.repeat(60)}#${i}`),
  ];
  const batches = Array.from({ length: 300 }, (_, i) => ({
    ...BROKEN.batches[0]!,
    name: `batch|${i}`,
    source: 'a.jsonl',
  }));
  const infos = names.map((name) => ({
    ...BROKEN.implementations[0]!,
    name,
    evidence: 'seen '.repeat(200),
  }));
  const rows = names.flatMap((implementation, i) =>
    Array.from({ length: 300 }, (_, layer) =>
      sampleRow({
        implementation,
        layer,
        scope: 'local',
        relL2: implementation === 'eager' ? 0 : layer === 250 ? NaN : (layer + i) * 1e-6,
      }),
    ),
  );
  const finding: Finding = {
    code: 'local-divergence',
    implementation: names[1]!,
    layer: 3,
    batch: 'batch|0',
    relL2: 1,
    limit: 1e-5,
    firstToken: 4,
  };
  const checks = names.flatMap((implementation) =>
    Array.from({ length: 20 }, (_, i): Check => ({
      ...BROKEN.verdict.checks.find(({ name }) => name === 'max-abs')!,
      implementation,
      actual: i,
      expected: 0,
      passed: false,
      batch: 'left',
    })),
  );
  return {
    ...BROKEN,
    command: ['run', '--model', `/models/${'deep/'.repeat(700)}model.onnx`],
    model: { ...BROKEN.model, path: `/models/${'deep/'.repeat(700)}model.onnx`, layers: 300 },
    batches,
    implementations: infos,
    rows,
    findings: Array.from({ length: 500 }, () => finding),
    verdict: { passed: false, checks },
  };
}

describe('Markdown report', () => {
  it('is what a reader has approved of', async () => {
    await expect(markdown(sampleReport())).toMatchFileSnapshot('golden/clean.md');
    await expect(markdown(BROKEN)).toMatchFileSnapshot('golden/broken.md');
  });

  it('begins with a comment that is the same for every run of one command, and ends what it begins', () => {
    const first = (report: DiffReport): string => markdown(report).split('\n')[0]!;
    expect(first(BROKEN)).toBe('<!-- attn-diff run --model fixtures/eager/model.onnx -->');
    expect(first(sampleReport())).toBe(first(BROKEN));
    expect(first({ ...BROKEN, command: ['run', '--prompt', 'a -->\n<b>'] })).toBe(
      String.raw`<!-- attn-diff run --prompt "$(printf 'a \055\055\076\012\074b\076')" -->`,
    );
  });

  it('says of a run that passes with a fault that it is to be looked at, in whole words', () => {
    const text = markdown(
      sampleReport({ edit: withoutGuard, gate: { failOn: 'none', defaults: 'off' } }),
    );
    expect(text).toContain(
      '\n## ! attn-diff: PASSED the gate, yet look at this\n\nsdpa became NaN on fully masked rows at layer 0',
    );
    expect(markdown(BROKEN)).toContain(
      '\n## ✗ attn-diff: FAILED\n\nsdpa became NaN on fully masked rows at layer 0',
    );
  });

  it('has what explain found: the changes that were tried, what they mean, and what to use', () => {
    const explanation: Explanation = {
      implementation: 'sdpa',
      reference: 'eager',
      layer: 1,
      batch: 'a|b',
      relL2: 0.4,
      changed: 'eager',
      standIn: null,
      factors: [
        {
          deviation: { kind: 'window', to: 5 },
          besides: null,
          cause: 'window-mismatch',
          relL2: 0.0126,
          explained: 0.999,
        },
        ...Array.from({ length: 11 }, (_, i) => ({
          deviation: { kind: 'fill', to: '-inf' } as const,
          besides: null,
          cause: 'mask-fill' as const,
          relL2: 0.4,
          explained: i === 0 ? NaN : 0,
        })),
      ],
    };
    const text = markdown({
      ...sampleReport(),
      command: ['explain'],
      explanations: [explanation, { ...explanation, layer: 2 }],
      recommendation: {
        training: 'flash',
        weights: null,
        against: [
          { implementation: 'sdpa', codes: ['window-mismatch'] },
          { implementation: 'x', codes: ['non-finite'] },
        ],
      },
    });
    expect(text).toContain(
      '<summary>What was tried to explain sdpa, batch a&#124;b</summary>\n\nNo single change explains why sdpa parts from eager at layer 1: what explains most is a sliding window of 5 tokens: 99.9 %.',
    );
    expect(text).toContain(
      '\nLayer 1: relative L2 0.400 before any change\n\n| change | rel L2 | explained |\n| --- | --: | --: |\n| a sliding window of 5 tokens | 0.0126 | 99.9 % |\n| masked scores filled with −inf | 0.400 | NaN |\n',
    );
    expect(text).toContain('\nLayer 2: relative L2 0.400 before any change\n');
    expect(text).toContain('9 other changes explained less; the JSON report has them.');
    expect(section(text, '### Recommendation')).toMatch(
      /^### Recommendation\n\n- Training: flash \(attn\\_implementation="flash\\_attention\\_2"\).*\n- Weights: none of these is fit.*\n- Against: sdpa: window-mismatch\n- Against: x: non-finite\n/,
    );
  });

  it('cuts explanations, and says so, before anything that was measured', () => {
    const explanation: Explanation = {
      implementation: 'sdpa',
      reference: 'eager',
      layer: 0,
      batch: 'left',
      relL2: 0.4,
      changed: 'eager',
      standIn: null,
      factors: Array.from({ length: 8 }, () => ({
        deviation: { kind: 'window', to: 5 } as const,
        besides: { kind: 'padding-side' } as const,
        cause: 'window-mismatch' as const,
        relL2: 0.0126,
        explained: 0.5,
      })),
    };
    const explanations = ['left', 'right', 'a', 'b', 'c', 'd'].flatMap((batch) =>
      Array.from({ length: 28 }, (_, layer) => ({ ...explanation, batch, layer })),
    );
    const text = markdown({ ...sampleReport({ layers: 28 }), explanations });
    expect(rowsOf(text, 'By layer')).toHaveLength(29);
    expect(text.match(/^Layer \d+: /gm)).toHaveLength(16);
    expect(text.match(/24 more layers, left out to fit/g)).toHaveLength(4);
    expect(text).toContain('2 more explanations, left out to fit; the JSON report has all.');
  });

  it('recommends nothing unasked where nothing speaks against an implementation', () => {
    expect(markdown(sampleReport())).not.toContain('Recommendation');
  });

  it('shows what failed with the commands that show it again', () => {
    const failed = section(markdown(BROKEN), '### Failed');
    expect(failed.match(/^- ✗ /gm)).toHaveLength(
      BROKEN.verdict.checks.filter(({ passed, level }) => !passed && level === 'error').length,
    );
    expect(failed).toContain(
      '- ✗ **max-abs, flash**: max&#124;Δ&#124; is 1.03e-5 at logits, accumulated, batch left; the limit is 1e-6. Smallest limit that passes: --max-abs 1.0274999999999999e-5.',
    );
    expect(failed).toMatch(
      /```sh\nattn-diff run .* --impl sdpa --padding left\nattn-diff run .* --impl flash --padding left\n```\n/,
    );
  });

  it('names a finding that fails the run among what failed', () => {
    const check: Check = {
      ...BROKEN.verdict.checks[0]!,
      name: 'finding',
      level: 'error',
      implementation: 'sdpa',
      layer: 0,
      subject: 'fully-masked-nan',
      passed: false,
    };
    const report = { ...BROKEN, verdict: { passed: false, checks: [check] } };
    expect(section(markdown(report), '### Failed')).toContain(
      '- ✗ **finding, sdpa**: fully-masked-nan at layer 0 (see the findings).',
    );
  });

  it('gives the worst of each implementation, NaN before all numbers', () => {
    const report = sampleReport({
      layers: 3,
      edit: (row) =>
        row.implementation === 'sdpa' &&
        row.batch === 'right' &&
        row.layer === 1 &&
        row.tap === 'hidden' &&
        row.kind === 'valid'
          ? notANumber(row)
          : row,
    });
    const rows = rowsOf(markdown(report), '### By implementation');
    expect(rows[0]).toMatch(/^\| `eager` \\\* \| – \| – \| 0 \| 0 \|/);
    expect(rows[1]).toMatch(
      /^\| `sdpa` \| 5\.00e-8 \(layer 0\) \| \*\*NaN\*\* \(layer 1, hidden\) \| \*\*2,624\*\* \| 0 \|/,
    );
    expect(rows[2]).toMatch(
      /^\| `flash` \| 1\.50e-7 \(layer 0\) \| 5\.14e-6 \(logits\) \| 0 \| 0 \|/,
    );
  });

  it('sets off what rounding does not explain in the worst of an implementation too', () => {
    const report = sampleReport({
      edit: (row) =>
        row.implementation === 'flash' &&
        row.layer === 1 &&
        row.scope === 'local' &&
        row.kind === 'valid'
          ? { ...row, relL2: 2e-5 }
          : row,
    });
    const rows = rowsOf(markdown(report), '### By implementation');
    expect(rows[1]).not.toContain('**');
    expect(rows[2]).toMatch(/^\| `flash` \| \*\*2\.00e-5\*\* \(layer 1\) \| 5\.14e-6 \(logits\) /);
  });

  it('counts no NaN of what was not measured, as 0 or otherwise', () => {
    const whole = sampleReport();
    const report = {
      ...whole,
      rows: whole.rows.filter(({ implementation }) => implementation !== 'flash'),
    };
    expect(rowsOf(markdown(report), '### By implementation')[2]).toBe(
      '| `flash` | – | – | – | – | – | – | – |',
    );
    expect(FORMATS.html(report, plain)).toMatch(
      /<th scope="row">flash<\/th>(?:<td class="number">–<\/td>){7}<\/tr>/,
    );
    expect(FORMATS.text(report, { width: 120, color: false })).toMatch(
      /^None in [\d,]+ values of eager, sdpa\.$/m,
    );
  });

  it('gives what comes of it, of all batches together', () => {
    const effect = { batch: 'left', targets: 10, perplexity: 1, kl: 0, flips: 0 };
    const effects = [
      { ...effect, implementation: 'eager', loss: 2 },
      { ...effect, implementation: 'sdpa', loss: 2.5, kl: 0.25, flips: 3 },
      { ...effect, implementation: 'flash', loss: NaN, kl: NaN, flips: 10 },
    ];
    const rows = rowsOf(markdown({ ...sampleReport(), effects }), '### By implementation');
    expect(rows.map((row) => row.split(' | ').slice(-3).join(' | '))).toEqual([
      '– | – | – |',
      '+0.500 | 0.250 | 3 |',
      '**NaN** | **NaN** | 10 |',
    ]);
  });

  it('gives a line a layer, the worst of the batches, in bold where rounding does not explain it', () => {
    const rows = rowsOf(
      markdown(
        sampleReport({
          layers: 3,
          edit: (row) =>
            row.implementation === 'flash' &&
            row.batch === 'right' &&
            row.layer === 1 &&
            row.scope === 'local' &&
            row.kind === 'valid'
              ? { ...row, relL2: 2e-5 }
              : row,
        }),
      ),
      'By layer',
    );
    expect(rows.map((row) => row.split(' | ')[0])).toEqual(['| 0', '| 1', '| 2', '| logits']);
    expect(rows[1]).toContain('| **2.00e-5** |');
    expect(rows.join('').match(/\*\*/g)).toHaveLength(2);
  });

  it('fits a comment, keeps what parts most, and says what it left out', () => {
    const text = markdown(huge());
    expect(text.length).toBeLessThan(LIMIT);
    expect(text.length).toBeGreaterThan(LIMIT / 8);
    const layers = rowsOf(text, 'By layer').map((row) => Number(row.split(' | ')[0]!.slice(2)));
    expect(layers).toContain(250);
    expect(layers.filter((layer) => layer !== 250)).toEqual(
      Array.from({ length: layers.length - 1 }, (_, i) => 301 - layers.length + i),
    );
    for (const said of [
      /, \d+ more against `eager` on/,
      /and [\d,]+ more checks, left out to fit/,
      /and [\d,]+ more findings, left out to fit/,
      /Left out to fit: \d+ of 300 lines, those that part least, \d+ implementations/,
      /\d+ more batches, left out to fit/,
    ])
      expect(text).toMatch(said);
    expect(text.match(/<details>/g)).toHaveLength(text.match(/<\/details>/g)!.length);
    expect(text).toContain('A command that is too long to be shown here');
  });

  it('passes no markup of a name on', () => {
    const report = sampleReport();
    report.model.path = 'a|b`<img src=x onerror=1>\n# c';
    report.batches[0]!.source = '<b>@user</b>\n| x |';
    const text = markdown(report);
    expect(text).not.toMatch(/<img|<b>|\n# c|\n\| x/);
    expect(text).toContain(
      '<code>a&#124;b\\`&lt;img src=x onerror=1&gt; <span>#</span> c</code>: ',
    );
  });
});
