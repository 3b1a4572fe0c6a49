import { judge } from '../../src/gate/index.js';
import { findings } from '../../src/metrics/index.js';
import { rangeRows } from '../../src/metrics/ranges.js';
import { mapByte } from '../../src/metrics/tokenMap.js';
import type {
  DiffReport,
  EffectRow,
  RangeRow,
  Row,
  Scope,
  TokenMap,
  TokenMapStream,
} from '../../src/types.js';
import { sampleReport, sampleRow } from '../report/sample.js';
import { gateOf } from './gate.js';

export interface LargeOptions {
  layers: number;
  /** Rows of each batch, and tokens of each; a tenth of them is fully masked. */
  size: number;
  length: number;
  /** Besides the reference, exact. */
  implementations: readonly string[];
  batches: readonly string[];
  heads: number;
  /** Whether the last implementation is NaN in the deeper half of its stream, from some token on. */
  hasNaN: boolean;
}

export const LARGE: LargeOptions = {
  layers: 28,
  size: 1,
  length: 4096,
  implementations: ['eager', 'sdpa', 'flash', 'original'],
  batches: ['left', 'right'],
  heads: 28,
  hasNaN: true,
};

/** Numbers from 0 to 1 that look like chance and are the same every time: a linear congruential generator. */
function chance(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

const REFERENCE = 'exact';

/** A report of any size, made up, the same every time: errors grow with depth and from one implementation to the next. */
export function largeReport(options: LargeOptions): DiffReport {
  const { layers, size, length, implementations, batches, heads } = options;
  const base = sampleReport();
  const next = chance(7);
  const names = [REFERENCE, ...implementations];
  const masked = Math.floor(length / 10);
  const tokens = { valid: size * (length - masked), padding: 0, fullyMasked: size * masked };
  const rows = largeRows(options, next, tokens);
  const maps = batches.slice(0, 4).map((batch): TokenMap => ({
    batch,
    size,
    length,
    kinds: `${'m'.repeat(masked)}${'v'.repeat(length - masked)}`.repeat(size),
    streams: implementations.flatMap((name) =>
      (['local', 'accumulated'] as const).map((scope) => stream(options, next, name, scope)),
    ),
  }));
  const effects = batches.flatMap((batch) =>
    largeEffects(options, batch, 2 + next(), tokens.valid - size),
  );
  const ranges = batches.flatMap((batch) =>
    Array.from({ length: layers }, (_, layer) => layer).flatMap((layer) =>
      largeRanges(batch, layer, heads, next),
    ),
  );
  const batchInfos = batches.map((name) => ({ ...base.batches[0]!, name, size, length, tokens }));
  const infos = names.map((name) => ({ ...base.implementations[0]!, name }));
  const found = findings(rows, batchInfos, names, REFERENCE);
  return {
    ...base,
    rows,
    maps,
    effects,
    ranges,
    reference: REFERENCE,
    findings: found,
    implementations: infos,
    batches: batchInfos,
    model: { ...base.model, layers, heads, kvHeads: heads },
    verdict: judge(
      {
        rows,
        effects,
        findings: found,
        implementations: infos,
        reference: REFERENCE,
        precision: 'fp32',
      },
      gateOf({ defaults: 'error' }),
    ),
  };
}

/** Whether a place is in the part that is NaN. */
function isNaNAt(
  { layers, implementations, hasNaN }: LargeOptions,
  name: string,
  layer: number | null,
  scope: Scope,
): boolean {
  return (
    hasNaN &&
    name === implementations.at(-1) &&
    scope === 'accumulated' &&
    (layer ?? layers) > layers / 2
  );
}

function errorAt(
  { implementations, layers }: LargeOptions,
  name: string,
  layer: number | null,
  next: () => number,
): number {
  return (
    1e-8 *
    (1 + implementations.indexOf(name)) ** 3 *
    1.15 ** (layer ?? layers) *
    (0.6 + 0.8 * next())
  );
}

function largeRows(
  options: LargeOptions,
  next: () => number,
  tokens: Record<'valid' | 'fullyMasked', number>,
): Row[] {
  const { layers, implementations, batches } = options;
  const places = Array.from({ length: layers }, (_, layer) => layer).flatMap((layer) => [
    { layer, tap: 'attention', scope: 'local' } as const,
    { layer, tap: 'attention', scope: 'accumulated' } as const,
    { layer, tap: 'hidden', scope: 'accumulated' } as const,
  ]);
  const all = [...places, { layer: null, tap: 'logits', scope: 'accumulated' } as const];
  return batches.flatMap((batch) =>
    [REFERENCE, ...implementations].flatMap((implementation) =>
      (['valid', 'fullyMasked'] as const).flatMap((kind) =>
        all
          .filter(({ scope }) => implementation !== REFERENCE || scope === 'accumulated')
          .map(({ layer, tap, scope }) => {
            const isNaN = isNaNAt(options, implementation, layer, scope);
            const relL2 = isNaN
              ? NaN
              : implementation === REFERENCE
                ? 0
                : errorAt(options, implementation, layer, next);
            return sampleRow({
              batch,
              layer,
              tap,
              scope,
              implementation,
              kind,
              tokens: tokens[kind],
              relL2,
              maxAbs: relL2 * 3,
              meanL2: relL2 * 2,
              meanCosine: 1 - relL2 / 9,
              minCosine: 1 - relL2 / 3,
              bias: relL2 / 100,
              nan: isNaN ? 64 : 0,
              zeroRows: 0,
            });
          }),
      ),
    ),
  );
}

function stream(
  options: LargeOptions,
  next: () => number,
  implementation: string,
  scope: Scope,
): TokenMapStream {
  const { layers, size, length } = options;
  const places = [
    ...Array.from({ length: layers }, (_, layer) => layer),
    ...(scope === 'local' ? [] : [null]),
  ];
  const bytes = places.flatMap((layer) => {
    const around = errorAt(options, implementation, layer, next);
    const isBad = isNaNAt(options, implementation, layer, scope);
    return Array.from({ length: size * length }, (_, token) =>
      mapByte(
        isBad && token % length > length * 0.7 && next() < 0.02 ? NaN : around * (0.2 + next()),
      ),
    );
  });
  return { implementation, scope, layers: places, relL2: Buffer.from(bytes).toString('base64') };
}

function largeEffects(
  options: LargeOptions,
  batch: string,
  loss: number,
  targets: number,
): EffectRow[] {
  return [REFERENCE, ...options.implementations].map((implementation, i) => {
    const isNaN = isNaNAt(options, implementation, null, 'accumulated');
    return {
      batch,
      implementation,
      targets,
      loss: isNaN ? NaN : loss + i * 1e-6,
      perplexity: isNaN ? NaN : Math.exp(loss),
      kl: isNaN ? NaN : i * 1e-9,
      flips: i,
    };
  });
}

function largeRanges(batch: string, layer: number, heads: number, next: () => number): RangeRow[] {
  const sums = Array.from({ length: heads }, () => ({
    maxScore: 40 * 1.25 ** layer * (0.2 + next()),
    maxKey: 5 + next(),
    entropySum: 1000 * (1 + next()),
    rowSumError: 1e-7 * (0.5 + next()),
    zeros: 3,
    pairs: 1e6,
    weightsL2Sum: 500 * (0.5 + next()),
    queries: 1000,
  }));
  return rangeRows(batch, layer, sums, 0.125);
}
