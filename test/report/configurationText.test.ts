import { describe, expect, it } from 'vitest';
import { jsonReport } from '../../src/report/json.js';
import { configurationLine, FORMATS, explainReport } from '../../src/report/index.js';
import { readReport } from '../../src/report/read.js';
import type { DiffReport, ReportFormatName } from '../../src/types.js';
import { sampleReport } from './sample.js';

const OPTIONS = { width: 100, color: false };
const FOUND: Pick<DiffReport, 'configFile' | 'configuration'> = {
  configFile: 'attn-diff.config.json',
  configuration: {
    isFound: true,
    weakens: [
      { kind: 'option', key: 'failOn', value: 'none', usual: 'nan' },
      {
        kind: 'budget',
        key: 'budgets[0].max',
        metric: 'rel-l2',
        limit: 0.5,
        level: 'warn',
        usualLimit: 1e-4,
        usualLevel: 'error',
      },
    ],
    outside: [{ key: 'prompts', path: '/etc/passwd' }],
  },
};
const report: DiffReport = { ...sampleReport(), ...FOUND };

it('a configuration that was found is named, with all that it weakens and reads elsewhere', () => {
  expect(configurationLine(report)).toBe(
    'configuration: attn-diff.config.json, found in the current folder; gate weakened: failOn none (usually nan); budgets[0].max: rel-l2 0.5, warn (usually 1e-4, error); read from outside its folder: prompts /etc/passwd',
  );
  expect(
    configurationLine({
      configFile: 'mine.json',
      configuration: { isFound: false, weakens: [], outside: [] },
    }),
  ).toBe('configuration: mine.json');
  expect(configurationLine(sampleReport())).toBeNull();
});

describe('the first lines of a report', () => {
  it.each<[ReportFormatName, number]>([
    ['text', 3],
    ['markdown', 4],
    ['github', 1],
    ['json', 10],
    ['jsonl', 1],
    ['junit', 6],
    ['sarif', 12],
  ])('name it: %s', (format, lines) => {
    const text = FORMATS[format](report, OPTIONS);
    const place = text.split('\n').findIndex((line) => line.includes('attn-diff.config.json'));
    expect(place).toBeGreaterThanOrEqual(0);
    expect(place).toBeLessThan(lines);
    expect(text).toMatch(/failOn/);
    expect(text).toMatch(/etc(\/|%2F)passwd/);
  });

  it('name it at the head of the page', () => {
    const [head = ''] = FORMATS.html(report, OPTIONS).split('</header>');
    expect(head).toContain(
      '<p class="configuration suspect">! configuration: attn-diff.config.json, found in the current folder; gate weakened: failOn none',
    );
  });

  it('name it in what explain prints, and mark it', () => {
    const said =
      /^attn-diff.*\n\nConfig +attn-diff\.config\.json, found in the current folder ! gate weakened: failOn none \(usually nan\); budgets\[0\]\.max: rel-l2 0\.5, warn \(usually 1e-4, error\) ! read from outside its folder: prompts \/etc\/passwd Model /;
    for (const text of [explainReport(report, OPTIONS), FORMATS.text(report, OPTIONS)])
      expect(text.replaceAll(/\n {2,}|\n(?=Model )/g, ' ')).toMatch(said);
  });

  it('are a warning on GitHub and a condition of the set-up in SARIF', () => {
    expect(FORMATS.github(report, OPTIONS)).toMatch(
      /^::warning title=attn-diff::configuration: attn-diff\.config\.json, found/,
    );
    const [run] = (
      JSON.parse(FORMATS.sarif(report, OPTIONS)) as {
        runs: {
          invocations: {
            toolConfigurationNotifications: { level: string; message: { text: string } }[];
          }[];
        }[];
      }
    ).runs;
    expect(run!.invocations[0]!.toolConfigurationNotifications).toEqual([
      {
        level: 'warning',
        message: {
          text: expect.stringMatching(/^configuration: attn-diff\.config\.json, found/) as string,
        },
      },
    ]);
    expect(
      FORMATS.github(
        { ...report, configuration: { isFound: false, weakens: [], outside: [] } },
        OPTIONS,
      ),
    ).toMatch(/^::notice title=attn-diff::configuration: attn-diff\.config\.json\.\n/);
  });
});

it('is read again as it was saved', () => {
  expect(readReport(jsonReport(report), 'r.json').configuration).toEqual(FOUND.configuration);
});
