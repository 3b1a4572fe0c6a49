import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttnDiffError } from '../../src/errors.js';
import { heldAgainst } from '../../src/gate/index.js';
import {
  baselineJson,
  FORMATS,
  historyLine,
  historyRun,
  readHistory,
  readReport,
  readSaved,
} from '../../src/report/index.js';
import type { DiffReport } from '../../src/types.js';
import { sampleReport } from './sample.js';

/** A run with predictions, ranges and a map. */
const REPORT: DiffReport = {
  ...sampleReport(),
  effects: ['left', 'right'].flatMap((batch) =>
    ['eager', 'sdpa', 'flash'].map((implementation) => ({
      batch,
      implementation,
      targets: 37,
      loss: 2,
      perplexity: Math.exp(2),
      kl: 0,
      flips: 0,
    })),
  ),
  ranges: [
    {
      batch: 'left',
      layer: 0,
      head: null,
      maxScore: 113,
      scaledScore: 113 / 8,
      headroom: 579,
      maxKey: 6,
      entropy: 1.2,
      rowSumError: 2e-7,
      underflow: 0,
      weightsL2: 0.6,
    },
  ],
  maps: [
    {
      batch: 'left',
      size: 4,
      length: 16,
      kinds: 'mv'.repeat(32),
      streams: [
        {
          implementation: 'sdpa',
          scope: 'local',
          layers: [0],
          relL2: Buffer.alloc(64, 9).toString('base64'),
        },
      ],
    },
  ],
};
/** What may regress: three of each row, but one of the reference's; and three of each prediction. */
const NUMBERS = 2 * (5 + 2 * 3 * 7) + 2 * 2 * 3;
const BASELINE = baselineJson(REPORT);
const JSON_REPORT = FORMATS.json(REPORT, { width: 80, color: false });
const HISTORY = historyLine(historyRun(REPORT, { time: new Date(0), label: 'one' }));

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Tree = { [key: string]: Json };
type Rows = { [key: string]: Json }[];

function edited(text: string, edit: (document: Tree) => void): string {
  const document = JSON.parse(text) as Tree;
  edit(document);
  return JSON.stringify(document);
}

/** What reading a baseline or report says of it; null where it is read. */
function refusal(text: string): string | null {
  try {
    readSaved(text, 'b.json');
    return null;
  } catch (error) {
    if (!(error instanceof AttnDiffError) || error.code !== 'report-unreadable') throw error;
    return (error.args as { problem: string }).problem;
  }
}

const rowsOf = (document: Tree): Rows => document['rows'] as Rows;
/** flash, layer 1, local, batch right. */
const chosen = (document: Tree): Tree =>
  rowsOf(document).find(
    (row) =>
      row['implementation'] === 'flash' &&
      row['layer'] === 1 &&
      row['scope'] === 'local' &&
      row['batch'] === 'right' &&
      (row['kind'] ?? 'valid') === 'valid',
  )!;

describe.each([
  ['baseline', BASELINE],
  ['report', JSON_REPORT],
])('a saved %s', (_, text) => {
  it('is read as it was written', () => {
    expect(refusal(text)).toBeNull();
  });

  it.each<[string, (document: Tree) => void, string]>([
    [
      'a relative L2 of NaN where nothing is',
      (d) => void (chosen(d)['relL2'] = 'NaN'),
      'the row of flash at layer 1, attention, local, batch right has a relative L2 of NaN, and neither it nor the reference has NaN or Inf there',
    ],
    [
      'a difference of Infinity where nothing is',
      (d) => void (chosen(d)['maxAbs'] = 'Infinity'),
      'has a max |Δ| of Infinity',
    ],
    [
      'an error of NaN that no other has',
      (d) => void (chosen(d)['exactRelL2'] = 'NaN'),
      'has an error against exact of NaN',
    ],
    [
      'a negative number',
      (d) => void (chosen(d)['relL2'] = -1e-7),
      'it is neither a number from 0 on',
    ],
    [
      'a number of minus Infinity',
      (d) => void (chosen(d)['exactRelL2'] = '-Infinity'),
      'it is neither a number from 0 on',
    ],
    ['half a NaN', (d) => void (chosen(d)['nan'] = 0.5), 'it is no whole number'],
    [
      'a relative L2 of no difference',
      (d) => Object.assign(chosen(d), { maxAbs: 0, relL2: 1e-7 }),
      'has a relative L2 of 1e-7, and no difference',
    ],
    [
      'a row twice',
      (d) => void rowsOf(d).push({ ...chosen(d) }),
      'the row of flash at layer 1, attention, local, batch right is there twice',
    ],
    [
      'another number for a row that is there',
      (d) => void rowsOf(d).push({ ...chosen(d), relL2: 1 }),
      'is there twice',
    ],
    [
      'one row missing',
      (d) => void rowsOf(d).splice(rowsOf(d).indexOf(chosen(d)), 1),
      '1 of 7 rows on valid tokens are missing, the first of flash at layer 1, attention, local, batch right',
    ],
    [
      'one row left',
      (d) => void rowsOf(d).splice(0, Infinity, chosen(d)),
      'rows on valid tokens are missing',
    ],
    ['no row left', (d) => void (d['rows'] = []), 'has no row in batch left'],
    [
      'an implementation without rows',
      (d) => void (d['rows'] = rowsOf(d).filter((row) => row['implementation'] !== 'flash')),
      '7 of 7 rows on valid tokens are missing, the first of flash',
    ],
    [
      'a row of another implementation',
      (d) => void (chosen(d)['implementation'] = 'flahs'),
      'a row is of flahs, which the run does not have',
    ],
    [
      'a row of another batch',
      (d) => void (chosen(d)['batch'] = 'rigth'),
      'a row is of batch rigth, which the run does not have',
    ],
    [
      'a row of a layer that there is not',
      (d) => void (chosen(d)['layer'] = 2),
      'is at no layer of the model',
    ],
    [
      'an absurd rounding',
      (d) => void (((d['implementations'] as Rows)[2]!['rounding'] as Tree)['local'] = 1e9),
      'the rounding of flash is 1000000000, and no precision of the run explains more than 0.00001',
    ],
    [
      'an implementation twice',
      (d) => void (d['implementations'] as Rows).push((d['implementations'] as Rows)[0]!),
      'eager is there twice',
    ],
    [
      'a reference that is not there',
      (d) => void (d['reference'] = 'original'),
      'the reference original is not among the implementations',
    ],
    [
      'more flips than predictions',
      (d) => void ((d['effects'] as Rows)[1]!['flips'] = 38),
      'has 37 targets and 38 flips',
    ],
    [
      'a loss of NaN of finite logits',
      (d) => void ((d['effects'] as Rows)[1]!['loss'] = 'NaN'),
      'has a loss of NaN, and no logit is NaN or infinite',
    ],
    [
      'a KL far below 0',
      (d) => void ((d['effects'] as Rows)[1]!['kl'] = -1),
      'it is neither a number from 0 on',
    ],
    [
      'predictions of one missing',
      (d) => void (d['effects'] as Rows).pop(),
      'what is predicted by flash in batch right is missing',
    ],
    [
      'a batch of other tokens than its size',
      (d) => void ((d['batches'] as Rows)[0]!['length'] = 17),
      'batch left has not as many tokens as 4 × 17',
    ],
  ])('with %s is refused, and said why', (__, edit, problem) => {
    expect(refusal(edited(text, edit))).toContain(problem);
  });
});

describe('a saved report', () => {
  it.each<[string, (document: Tree) => void, string]>([
    [
      'a verdict of its own',
      (d) => void ((d['verdict'] as Tree)['passed'] = false),
      'its verdict is not what its checks make of it',
    ],
    [
      'a check that has passed against its numbers',
      (d) => void (((d['verdict'] as Tree)['checks'] as Rows)[0]!['actual'] = 0),
      'the check compared of eager has passed, which its numbers do not say',
    ],
    [
      'a check of NaN that has passed',
      (d) =>
        void (((d['verdict'] as Tree)['checks'] as Rows).find(
          (check) => check['name'] === 'rel-l2',
        )!['actual'] = 'NaN'),
      'has passed, which its numbers do not say',
    ],
    [
      'a map that is cut short',
      (d) => void (((d['maps'] as Rows)[0]!['streams'] as Rows)[0]!['relL2'] = 'AAAA'),
      'the map of sdpa in batch left has not a number for each token',
    ],
    [
      'a range twice',
      (d) => void (d['ranges'] as Rows).push((d['ranges'] as Rows)[0]!),
      'the range of layer 0, batch left is there twice',
    ],
    [
      'a finding of no implementation',
      (d) => void ((d['findings'] as Rows)[0]!['implementation'] = 'x'),
      'is of no batch or implementation of the run',
    ],
    [
      'rows of tokens that the batch does not have',
      (d) => void (chosen(d)['tokens'] = 40),
      'is of 40 tokens, and the batch has 41 such',
    ],
  ])('with %s is refused', (_, edit, problem) => {
    expect(refusal(edited(JSON_REPORT, edit))).toContain(problem);
  });

  it('may lack rows of an implementation that did not run to its end', () => {
    const failure = { kind: 'crashed', problem: 'SIGSEGV', stage: 'batch right', batch: 'right' };
    const text = edited(JSON_REPORT, (d) => {
      Object.assign((d['implementations'] as Rows)[2]!, {
        failure,
        proof: 'not-provable',
        reason: 'failed',
      });
      d['rows'] = rowsOf(d).filter(
        (row) => row['implementation'] !== 'flash' || row['batch'] !== 'right',
      );
      d['effects'] = (d['effects'] as Rows).filter(
        (row) => row['implementation'] !== 'flash' || row['batch'] !== 'right',
      );
    });
    expect(refusal(text)).toBeNull();
    expect(
      heldAgainst(REPORT, {
        path: 'b.json',
        factor: 1.5,
        allow: [],
        run: readSaved(text, 'b.json').run,
      }).verdict.checks.at(-1),
    ).toMatchObject({
      name: 'regression',
      subject: 'compared',
      actual: NUMBERS - 24,
      expected: NUMBERS,
      passed: false,
    });
  });
});

/** All places of a document that hold something, as keys from its root. */
function paths(value: Json, path: (string | number)[] = []): (string | number)[][] {
  const inner: [string | number, Json][] = Array.isArray(value)
    ? [...value.entries()]
    : value !== null && typeof value === 'object'
      ? Object.entries(value)
      : [];
  return [
    ...(path.length > 0 ? [path] : []),
    ...inner.flatMap(([key, item]) => paths(item, [...path, key])),
  ];
}

const anyValue: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    -1,
    0.5,
    1e9,
    1e308,
    -0,
    'NaN',
    'Infinity',
    '-Infinity',
    '',
    'x',
    [],
    {},
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ maxLength: 3 }),
);
type Change = { at: number; how: 'replace' | 'remove' | 'repeat'; value: Json };
const changes = fc.array(
  fc.record<Change>({
    at: fc.nat(),
    how: fc.constantFrom('replace', 'remove', 'repeat'),
    value: anyValue,
  }),
  { minLength: 1, maxLength: 3 },
);

function changed(text: string, list: readonly Change[]): string {
  return edited(text, (document) => {
    for (const { at, how, value } of list) {
      const all = paths(document);
      const path = all[at % all.length]!;
      const holder = path
        .slice(0, -1)
        .reduce<Json>((inner, key) => (inner as Tree)[key]!, document);
      const key = path.at(-1)!;
      if (Array.isArray(holder) && how !== 'replace')
        holder.splice(
          key as number,
          how === 'remove' ? 1 : 0,
          ...(how === 'repeat' ? [structuredClone(holder[key as number]!)] : []),
        );
      else if (how === 'remove') delete (holder as Tree)[key];
      else (holder as Tree)[key] = value;
    }
  });
}

/** What a reader gives, or null where it refuses in one line; anything else that it throws would be a stack trace. */
function readOr<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof AttnDiffError) return null;
    throw error;
  }
}

describe('whatever becomes of a saved file', () => {
  it('is read, or refused in one line', () => {
    const isHandled = (read: (text: string) => unknown, text: string, numRuns: number): void =>
      fc.assert(
        fc.property(changes, (list) => void readOr(() => read(changed(text, list)))),
        { seed: 13, numRuns },
      );
    expect(() => isHandled((text) => readReport(text, 'r.json'), JSON_REPORT, 30)).not.toThrow();
    expect(() =>
      isHandled((text) => readHistory(`${text}\n`, 'h.jsonl'), HISTORY, 60),
    ).not.toThrow();
  });

  it('lets no run pass against a baseline with fewer numbers than it has', () => {
    const passed: number[] = [];
    fc.assert(
      fc.property(changes, (list) => {
        const saved = readOr(() => readSaved(changed(BASELINE, list), 'b.json'));
        const held =
          saved &&
          readOr(() =>
            heldAgainst(REPORT, { path: 'b.json', factor: 1.5, allow: [], run: saved.run }),
          );
        if (held?.verdict.passed) passed.push(held.baseline!.compared);
      }),
      { seed: 13, numRuns: 150 },
    );
    // Other finite numbers make another baseline.
    expect([...new Set(passed)]).toEqual([NUMBERS]);
  });
});
