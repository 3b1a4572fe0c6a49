import { createHash } from 'node:crypto';
import { worstMaps } from '../../src/metrics/index.js';
import { conclude } from '../../src/pipeline/conclude.js';
import { recorded } from '../../src/pipeline/recordedLook.js';
import type { SecondLook } from '../../src/pipeline/secondLook.js';
import { batchesOf, dataDigest } from '../../src/pipeline/shard.js';
import { FORMATS } from '../../src/report/index.js';
import {
  CAUSES,
  TOKEN_KINDS,
  type DiffReport,
  type FileJudgement,
  type GateOptions,
  type Precision,
  type Row,
  type ShardPlace,
  type TokenKind,
} from '../../src/types.js';
import { sampleReport, sampleRow } from '../report/sample.js';

const LABELS = ['eager', 'sdpa', 'flash'] as const;
const LAYERS = 2;
/** Of each kind in a batch that has it. */
const TOKENS = 41;
/** What lies between the layers is in fp16 for flash alone, so that it may part by more than fp32 rounding and be within its own. */
const ROUNDING = { eager: 0, sdpa: 1e-5, flash: 2 ** -9 } as const;

/** A row that is not as all others are. */
export interface Oddity {
  implementation: number;
  /** Place among the rows of an implementation in one batch. */
  row: number;
  what: Partial<Row>;
}

export interface FakeBatch {
  kinds: readonly TokenKind[];
  odd: readonly Oddity[];
}

/** A run without a model: batches with rows in which nothing happens but for the oddities. */
export interface FakeRun {
  batches: readonly FakeBatch[];
  /** Whether sdpa gives the reference's bits but for the oddities. */
  identical?: boolean;
  gate: GateOptions;
  /** What second passes find hangs on this. */
  seed: number;
}

/** What the run reports as a whole, or of a part of its batches. */
export async function fakeReport(run: FakeRun, place: ShardPlace | null): Promise<DiffReport> {
  const names = run.batches.map((_, i) => `${i + 1}`);
  const own = place ? batchesOf(names, place) : names;
  const base = sampleReport();
  const rows = own.flatMap((name) =>
    rowsOf(name, run.batches[Number(name) - 1]!, run.identical ?? false),
  );
  const effects = own.flatMap((batch) =>
    LABELS.map((implementation, i) => ({
      batch,
      implementation,
      targets: 3,
      loss: 1 + i * chance(run.seed, batch, implementation),
      perplexity: 2,
      kl: 0,
      flips: i,
    })),
  );
  const implementations = base.implementations.map((info) => ({
    ...info,
    precision: info.name === 'flash' ? ('fp16' as const) : info.precision,
    rounding: {
      local: ROUNDING[info.name as keyof typeof ROUNDING],
      accumulated: ROUNDING[info.name as keyof typeof ROUNDING],
    },
  }));
  const batches = own.map((name) => {
    const { kinds } = run.batches[Number(name) - 1]!;
    const tokens = {
      valid: 0,
      padding: 0,
      fullyMasked: 0,
      ...Object.fromEntries(kinds.map((kind) => [kind, TOKENS])),
    };
    return {
      ...base.batches[0]!,
      name,
      size: kinds.length,
      length: TOKENS,
      tokens,
      sha256: digest(name),
    };
  });
  const { look, answers } = recorded(fakeLook(run.seed));
  const file = fakeFile(run, own);
  const concluded = await conclude(
    {
      rows,
      effects,
      implementations,
      reference: 'eager',
      precision: base.precision,
      batches,
      ofFile: [{ code: 'window-not-as-configured', layers: [1], expected: 8, found: null }],
      file,
      constant: [],
    },
    { gate: run.gate, look, isPart: place !== null },
  );
  return {
    ...base,
    implementations,
    batches,
    file,
    rows,
    effects,
    ranges: own.map((batch) => ({
      batch,
      layer: 0,
      head: null,
      maxScore: chance(run.seed, batch),
      scaledScore: chance(run.seed, batch) / 8,
      headroom: Infinity,
      maxKey: 1,
      entropy: 1,
      rowSumError: 0,
      underflow: NaN,
      weightsL2: 1,
    })),
    maps: worstMaps(
      batches.map(({ name: batch, size, length }) => ({
        batch,
        size,
        length,
        kinds: 'v'.repeat(size * length),
        streams: [],
      })),
      rows,
    ),
    ...concluded,
    shard: place && {
      ...place,
      batches: names,
      data: dataDigest(names.map((name) => digest(name))),
      threads: 2,
      gate: run.gate,
      answers,
    },
    timing: { loadSeconds: 0, runSeconds: 0 },
  };
}

/** Where eager, which stands for the file's own nodes, is not finite, those ran too, and have the same rows. */
function fakeFile({ batches }: FakeRun, own: readonly string[]): FileJudgement {
  const ran = own
    .map((name) => ({
      name,
      rows: rowsOf(name, batches[Number(name) - 1]!, false).filter(
        (row) => row.implementation === 'eager' && row.nan + row.inf !== 0,
      ),
    }))
    .filter(({ rows }) => rows.length > 0);
  return {
    means: 'stands',
    label: 'original',
    stream: 'eager',
    obstacle: null,
    failure: null,
    batches: ran.map(({ name }) => name),
    rows: ran.flatMap(({ rows }) => rows.map((row) => ({ ...row, implementation: 'original' }))),
  };
}

export function textOf(report: DiffReport): string {
  return FORMATS.json(report, { width: 80, color: false });
}

function rowsOf(batch: string, { kinds, odd }: FakeBatch, identical: boolean): Row[] {
  return LABELS.flatMap((implementation, index) => {
    const difference = index === 1 && identical ? 0 : index * 1e-7;
    const plain = {
      batch,
      implementation,
      relL2: difference,
      maxAbs: difference,
      exactRelL2: 1e-7,
    };
    const rows = kinds.flatMap((kind) => [
      ...Array.from({ length: LAYERS }, (_, layer) => [
        ...(index === 0 ? [] : [sampleRow({ ...plain, layer, scope: 'local', kind })]),
        sampleRow({ ...plain, layer, kind }),
        sampleRow({ ...plain, layer, tap: 'hidden', kind }),
      ]).flat(),
      sampleRow({ ...plain, layer: null, tap: 'logits', kind }),
    ]);
    return rows.map(
      (row, i) =>
        Object.assign(
          {},
          row,
          ...odd
            .filter((each) => each.implementation === index && each.row % rows.length === i)
            .map(({ what }) => what),
        ) as Row,
    );
  });
}

/** Answers that hang on what is asked alone, as those of a model do; of every kind that there is. */
function fakeLook(seed: number): SecondLook {
  const pick = <T>(options: readonly T[], asked: unknown): T =>
    options[Math.floor(chance(seed, JSON.stringify(asked)) * options.length)]!;
  return {
    origin: async (asked) => {
      const kind = pick(['overflow', 'fully-masked', 'invalid', null] as const, asked);
      const step = pick(['scores', 'masked', 'output', 'node'] as const, [asked, 'step']);
      const origin = kind && {
        layer: pick([0, 1], [asked, 'layer']),
        step,
        node: null,
        kind,
        weight: null,
        value: 'nan' as const,
        row: 0,
        head: 0,
        query: 0,
        key: null,
        largest: null,
      };
      return {
        origin,
        scores: pick<Precision | null>(['fp16', null], [asked, 'scores']),
        nan: 1,
        inf: 0,
        kind: pick([...TOKEN_KINDS, null], [asked, 'kind']),
      };
    },
    nodes: async (asked) =>
      pick(
        [
          null,
          {
            provider: 'webgpu' as const,
            nodes: [
              {
                name: pick(['a', 'b'], [asked, 'name']),
                opType: 'Sin',
                ranOn: 'webgpu',
                relL2: NaN,
              },
            ],
            more: 0,
          },
        ],
        asked,
      ),
    cause: async (finding, rows) => {
      const { implementation, batch, layer, relL2, limit, firstToken } = finding;
      const parted = rows
        .filter(
          (row) =>
            row.batch === batch &&
            row.implementation === implementation &&
            row.scope === 'local' &&
            row.relL2 > limit,
        )
        .map((row) => row.layer!);
      const factor = {
        deviation: { kind: 'scale' as const, factor: 2 },
        besides: null,
        cause: 'scale-mismatch' as const,
        relL2: 0,
        explained: 1,
      };
      const explanations = [
        {
          implementation,
          reference: 'eager',
          layer,
          batch,
          relL2,
          changed: 'eager',
          standIn: null,
          factors: [factor],
        },
      ];
      const cause = {
        code: pick(CAUSES, finding),
        implementation,
        against: 'eager',
        layers: parted,
        batch,
        relL2,
        limit,
        explained: 1,
        deviation: factor.deviation,
        firstToken,
      };
      return pick(
        [
          { finding, explanations },
          { finding: cause, explanations },
          {
            finding: { ...cause, implementation: 'eager', against: implementation },
            explanations: [],
          },
        ],
        finding,
      );
    },
  };
}

function digest(...parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** A number from 0 to 1 that hangs on what is given. */
function chance(...parts: unknown[]): number {
  return Number.parseInt(digest(...parts).slice(0, 8), 16) / 2 ** 32;
}
