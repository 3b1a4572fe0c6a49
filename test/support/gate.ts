import type { Budget, GateOptions } from '../../src/types.js';

export interface GateWords extends Partial<GateOptions> {
  maxAbs?: number;
  minCosine?: number;
  maxRatio?: number;
}

/** A limit on every valid token, as a flag sets it. */
export function budget(
  metric: Budget['metric'],
  limit: number,
  more: Partial<Budget> = {},
): Budget {
  return {
    metric,
    limit,
    level: 'error',
    taps: null,
    scopes: null,
    layers: null,
    implementations: null,
    batches: null,
    kinds: ['valid'],
    source: { kind: 'flag', flag: `--${metric}` },
    ...more,
  };
}

/** A gate without attn-diff's own budgets, and with nothing said of findings, unless told otherwise. */
export function gateOf({ maxAbs, minCosine, maxRatio, ...options }: GateWords = {}): GateOptions {
  const limits = Object.entries({
    'max-abs': maxAbs,
    'min-cosine': minCosine,
    'max-ratio': maxRatio,
  }) as [Budget['metric'], number | undefined][];
  const budgets = limits.flatMap(([metric, limit]) =>
    limit === undefined ? [] : [budget(metric, limit)],
  );
  return {
    defaults: 'off',
    findings: {},
    failOn: 'nan',
    requireKernel: false,
    ...options,
    budgets: [...budgets, ...(options.budgets ?? [])],
  };
}
