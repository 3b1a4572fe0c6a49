import { beforeAll, describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/report/index.js';
import type { Check, DiffReport } from '../../src/types.js';
import { budget } from '../support/gate.js';
import { HAS_BROWSER, parseXml, type XmlElement } from '../support/xml.js';
import { sampleReport, withoutGuard } from './sample.js';

const plain = { width: 80, color: false };
const junit = (report: DiffReport): string => FORMATS.junit(report, plain);
const BROKEN = sampleReport({
  layers: 6,
  edit: withoutGuard,
  gate: { maxAbs: 1e-6, minCosine: 0.9999999, defaults: 'error' },
});

const CLEAN = sampleReport();
const CRASHED: DiffReport = {
  ...CLEAN,
  implementations: CLEAN.implementations.map((info) =>
    info.name === 'flash'
      ? {
          ...info,
          failure: { kind: 'crashed', problem: 'SIGSEGV', stage: 'running', batch: 'left' },
        }
      : info,
  ),
  findings: [
    {
      code: 'implementation-failed',
      implementation: 'flash',
      failure: { kind: 'crashed', problem: 'SIGSEGV', stage: 'running', batch: 'left' },
    },
  ],
  verdict: {
    passed: false,
    checks: [
      {
        ...CLEAN.verdict.checks[0]!,
        name: 'completed',
        implementation: 'flash',
        level: 'error',
        passed: false,
      },
    ],
  },
};

/** Every character that XML 1.0 does not have, and some that it has only written otherwise. */
const NASTY = `\u0000\u0001\u0008\u000B\u001F\u007F\uDC00\uD800\uFFFE\uFFFF <a b="c">]]> & '"\t\n\r é 模 ${String.fromCodePoint(0x1f600)} \u2028`;

function named(report: DiffReport, name: string): DiffReport {
  return {
    ...report,
    model: { ...report.model, path: name },
    command: ['run', '--model', name],
    implementations: report.implementations.map((info) => ({ ...info, kernel: name })),
    batches: report.batches,
  };
}

/** The texts of `name="…"` of the test cases, which need no parser where they hold nothing special. */
const caseNames = (report: DiffReport): string[] =>
  [...junit(report).matchAll(/<testcase name="([^"]*)" classname="([^"]*)"/g)].map(
    ([, name, classname]) => `${classname} ${name}`,
  );

describe('JUnit report', () => {
  // Both were found valid against junit-10.xsd of Jenkins' xunit plugin.
  it('is what a reader has approved of', async () => {
    await expect(junit(CLEAN)).toMatchFileSnapshot('golden/clean.junit.xml');
    await expect(junit(BROKEN)).toMatchFileSnapshot('golden/broken.junit.xml');
  });

  it('names its cases alike in every run, and each otherwise', () => {
    const worse = sampleReport({
      layers: 6,
      edit: (row) => withoutGuard({ ...row, maxAbs: row.maxAbs * 2, layer: row.layer }),
      gate: { maxAbs: 1e-6, minCosine: 0.9999999, defaults: 'error' },
    });
    expect(caseNames(worse)).toEqual(caseNames(BROKEN));
    const twice = sampleReport({
      gate: {
        budgets: [
          budget('max-abs', 1, { taps: ['hidden'] }),
          budget('max-abs', 1, { taps: ['logits'] }),
        ],
      },
    });
    expect(caseNames(twice)).toEqual(
      expect.arrayContaining([
        'attn-diff.fixtures/eager/model.onnx.flash max-abs',
        'attn-diff.fixtures/eager/model.onnx.flash max-abs #2',
      ]),
    );
    for (const report of [BROKEN, twice])
      expect(new Set(caseNames(report)).size).toBe(report.verdict.checks.length);
  });

  it('differs between two runs of one command in its times alone', () => {
    const slow = { ...BROKEN, timing: { loadSeconds: 1000, runSeconds: 234.5678 } };
    expect(junit(slow)).toContain('time="1234.568"');
    expect(junit(slow).replaceAll('time="1234.568"', 'time="1.700"')).toBe(junit(BROKEN));
  });
});

describe.skipIf(!HAS_BROWSER)('JUnit report, for another parser', () => {
  let suites: Record<'broken' | 'crashed' | 'nasty', XmlElement>;
  beforeAll(() => {
    const [broken, crashed, nasty] = parseXml([
      junit(BROKEN),
      junit(CRASHED),
      junit(named(BROKEN, NASTY)),
    ]);
    suites = { broken, crashed, nasty } as typeof suites;
  });

  const cases = (root: XmlElement): XmlElement[] =>
    root.children[0]!.children.filter(({ name }) => name === 'testcase');
  const outcome = (element: XmlElement): string => element.children[0]?.name ?? 'passed';

  it('has a case for each check, with what came of it', () => {
    const expected = (check: Check): string =>
      check.passed ? 'passed' : check.level === 'warn' ? 'system-out' : 'failure';
    expect(cases(suites.broken).map(outcome)).toEqual(BROKEN.verdict.checks.map(expected));
    expect(new Set(BROKEN.verdict.checks.map(expected))).toEqual(
      new Set(['passed', 'system-out', 'failure']),
    );
    const failures = BROKEN.verdict.checks.filter((check) => expected(check) === 'failure').length;
    for (const element of [suites.broken, suites.broken.children[0]!])
      expect(element.attributes).toMatchObject({
        tests: String(BROKEN.verdict.checks.length),
        failures: String(failures),
        errors: '0',
      });
  });

  it('says in a failure what is wrong, and how to see it again', () => {
    const failure = cases(suites.broken)
      .map(({ children }) => children[0])
      .find((element) => element?.attributes['type'] === 'max-abs')!;
    expect(failure.attributes['message']).toMatch(
      /^max-abs, sdpa: max\|Δ\| is NaN at layer 1, .*\.$/,
    );
    expect(failure.text).toBe(
      `${failure.attributes['message']}\nAgain: attn-diff run --model fixtures/eager/model.onnx --impl sdpa --padding left`,
    );
  });

  it('has an error where an implementation did not run to its end', () => {
    const [element] = cases(suites.crashed)[0]!.children;
    expect([element!.name, element!.attributes['type']]).toEqual(['error', 'crashed']);
    expect(element!.text).toContain('flash crashed while running, batch left: SIGSEGV');
    expect(suites.crashed.attributes).toMatchObject({ tests: '1', failures: '0', errors: '1' });
  });

  it('is XML 1.0 whatever names hold', () => {
    const shown = suites.nasty.children[0]!.children[0]!.children.find(
      ({ attributes }) => attributes['name'] === 'model',
    )!.attributes['value'];
    // Half a character is written out, as all that nobody sees is.
    expect(shown).toBe(
      `\\uDC00\\uD800\uFFFD\uFFFD <a b="c">]]> & '"  é 模 ${String.fromCodePoint(0x1f600)}`,
    );
    expect(cases(suites.nasty)).toHaveLength(BROKEN.verdict.checks.length);
  });
});
