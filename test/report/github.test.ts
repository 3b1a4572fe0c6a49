import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/report/index.js';
import { workflowCommand } from '../../src/report/github.js';
import { budget } from '../support/gate.js';
import { sampleReport, withoutGuard } from './sample.js';

const plain = { width: 80, color: false };
const BROKEN = sampleReport({
  layers: 6,
  edit: withoutGuard,
  gate: { maxAbs: 1e-6, minCosine: 0.9999999, defaults: 'error' },
});

interface Parsed {
  command: string;
  properties: Record<string, string>;
  data: string;
}

/** Takes a line apart as the runner does: the command up to the second `::`, properties parted by commas. */
function parse(line: string): Parsed {
  expect(line.startsWith('::')).toBe(true);
  const end = line.indexOf('::', 2);
  const [, command, properties] = /^(\w+) (.*)$/.exec(line.slice(2, end))!;
  const pairs = properties!
    .split(',')
    .map(
      (pair) =>
        [pair.slice(0, pair.indexOf('=')), unescape(pair.slice(pair.indexOf('=') + 1))] as const,
    );
  return {
    command: command!,
    properties: Object.fromEntries(pairs),
    data: unescape(line.slice(end + 2)),
  };
}

const CHARACTERS: Record<string, string> = {
  '%0D': '\r',
  '%0A': '\n',
  '%3A': ':',
  '%2C': ',',
  '%25': '%',
};
const unescape = (text: string): string =>
  text.replaceAll(/%(?:0D|0A|3A|2C|25)/g, (code) => CHARACTERS[code]!);

function annotations(report = BROKEN): Parsed[] {
  const text = FORMATS.github(report, plain);
  expect(text.endsWith('\n')).toBe(true);
  return text.trimEnd().split('\n').map(parse);
}

describe('annotations for GitHub', () => {
  it('are what a reader has approved of', async () => {
    await expect(FORMATS.github(sampleReport(), plain)).toMatchFileSnapshot(
      'golden/clean.github.txt',
    );
    await expect(FORMATS.github(BROKEN, plain)).toMatchFileSnapshot('golden/broken.github.txt');
  });

  it('are errors for what fails the run, then warnings, then notices', () => {
    const commands = annotations().map(({ command }) => command);
    expect(commands.filter((command, i) => command !== commands[i - 1])).toEqual([
      'error',
      'warning',
      'notice',
    ]);
    expect(annotations(sampleReport()).map(({ command }) => command)).toEqual(['notice']);
    expect(annotations().at(-1)!.data).toMatch(/^FAILED: sdpa became NaN/);
  });

  it('are ten of a level at most, of which the last names the rest', () => {
    const metrics = [
      'max-abs',
      'rel-l2',
      'mean-l2',
      'exact-abs',
      'exact-rel-l2',
      'max-ratio',
      'ratio-fp32',
    ] as const;
    const report = sampleReport({ gate: { budgets: metrics.map((metric) => budget(metric, 0)) } });
    const errors = annotations(report).filter(({ command }) => command === 'error');
    const missed = report.verdict.checks.filter(({ passed }) => !passed);
    expect(missed.length).toBeGreaterThan(12);
    expect(errors).toHaveLength(10);
    expect(errors.at(-1)!.properties['title']).toBe(`attn-diff: ${missed.length - 9} more errors`);
    const named = errors.at(-1)!.data.match(/(?:[\w-]+): (?:eager|sdpa|flash)/g);
    expect(named).toHaveLength(missed.length - 9);
  });

  it('say again what they were made of, whatever that holds', () => {
    const text = fc
      .string({
        unit: fc.constantFrom('a', ' ', '%', ':', ',', '::', '%0A', '=', 'é', '##[error]'),
      })
      .map((raw) => `x${raw}x`);
    fc.assert(
      fc.property(text, text, (title, message) => {
        expect(parse(workflowCommand({ level: 'warning', title, message }))).toEqual({
          command: 'warning',
          properties: { title },
          data: message,
        });
      }),
    );
  });

  it('stay on one line, and as long as GitHub keeps', () => {
    const line = workflowCommand({
      level: 'error',
      title: 'a\nb',
      message: `c\r\n::error::d\u001B[31m ${'e'.repeat(5000)}`,
    });
    expect(line).toMatch(/^::error title=a b::c ::error::d e+…$/);
    expect(parse(line).data.length).toBeLessThanOrEqual(4096);
  });
});
