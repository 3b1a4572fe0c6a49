import { ROUNDING } from '../metrics/index.js';
import type {
  AttentionPrecision,
  Budget,
  Level,
  Precision,
  RunImplementationInfo,
} from '../types.js';

/** What a difference is measured in: the coarsest precision that takes part, or nothing where both compute the same. */
type Fineness = Extract<Precision, 'fp32' | 'fp16' | 'bf16' | 'int8'> | 'same';

const FINEST_FIRST = ['fp32', 'fp16', 'bf16', 'int8'] as const;

/**
 * Relative L2 (no unit) on valid tokens that passes where the user sets nothing.
 *
 * `local`, missing which fails: what Hugging Face's tests allow between eager and sdpa (`test_eager_matches_sdpa_inference`:
 * rtol 1e-4 in fp32, 5e-3 in fp16, 3e-2 in bf16 with fused kernels); ONNX Runtime's tests of its attention operators allow
 * 5e-3 in fp16 and 5e-2 in bf16. For int8 nothing is published: twice what rounding explains.
 * `accumulated`, missing which is only told, since layers amplify what kernels may not be to blame for: what onnxruntime-genai's tests allow of
 * whole models' logits (1e-3, 1e-2, 2e-2; 0.5 for int4).
 * Two streams of the same computation must give the same bits.
 */
export const DEFAULT_LIMITS: Readonly<Record<Fineness, { local: number; accumulated: number }>> = {
  same: { local: 0, accumulated: 0 },
  fp32: { local: 1e-4, accumulated: 1e-3 },
  fp16: { local: 5e-3, accumulated: 1e-2 },
  bf16: { local: 3e-2, accumulated: 2e-2 },
  int8: { local: 2 ** -4, accumulated: 0.5 },
};

/** flash-attention's own tests accept for O (three times for dQ, dK, dV) twice the error of plain attention at that precision, both against fp32. */
export const DEFAULT_RATIO = 2;

/** What of a run the budgets follow from. */
export interface Against {
  implementations: readonly Pick<RunImplementationInfo, 'name' | 'rounding' | 'precision'>[];
  reference: string;
  /** Of plain attention. */
  precision: AttentionPrecision;
}

/**
 * The budgets that attn-diff brings: for each implementation but the reference, its relative L2 by precision, and below
 * fp32 its error ratio, where plain attention has that precision too.
 *
 * @param level `warn` turns every error into a warning; `off` brings none
 */
export function defaultBudgets(
  { implementations, reference, precision: plain }: Against,
  level: Level,
): Budget[] {
  if (level === 'off') return [];
  return implementations
    .filter(({ name }) => name !== reference)
    .flatMap(({ name, rounding, precision }) => {
      const [local, accumulated] = [finenessOf(rounding.local), finenessOf(rounding.accumulated)];
      const common = {
        layers: null,
        implementations: [name],
        batches: null,
        kinds: ['valid'] as const,
      };
      const budgets: Budget[] = [
        {
          ...common,
          metric: 'rel-l2',
          limit: DEFAULT_LIMITS[local].local,
          level,
          taps: null,
          scopes: ['local'],
          source: { kind: 'default', precision: local },
        },
        {
          ...common,
          metric: 'rel-l2',
          limit: DEFAULT_LIMITS[accumulated].accumulated,
          level: accumulated === 'same' ? level : 'warn',
          taps: null,
          scopes: ['accumulated'],
          source: { kind: 'default', precision: accumulated },
        },
      ];
      return precision === plain && precision !== 'fp32'
        ? [
            ...budgets,
            {
              ...common,
              metric: 'max-ratio',
              limit: DEFAULT_RATIO,
              level: 'warn',
              taps: null,
              scopes: ['local'],
              source: { kind: 'default', precision },
            },
          ]
        : budgets;
    });
}

function finenessOf(rounding: number): Fineness {
  return rounding === 0
    ? 'same'
    : (FINEST_FIRST.find((precision) => rounding <= ROUNDING[precision]) ?? 'int8');
}
