import type { HistoryMetric, HistoryRun } from '../../types.js';
import { klText, lossText } from '../text/effects.js';
import { formatCount, formatNumber, formatSigned } from '../text/number.js';

/** A number of a run that can be plotted. */
export interface PlottedMetric {
  title: string;
  /** Whether it spans so many orders of magnitude that only its logarithm can be plotted. */
  log: boolean;
  /** Null where there is none: it was not measured, or the run does not have the implementation. */
  read: (run: HistoryRun, implementation: string) => number | null;
  format: (value: number) => string;
  /** Whether it is told of the reference too, whether of it alone. */
  of: 'others' | 'all' | 'reference';
}

const effect =
  (key: 'loss' | 'deltaLoss' | 'kl' | 'flips'): PlottedMetric['read'] =>
  (run, name) =>
    find(run, name)?.effect?.[key] ?? null;

export const PLOTTED: Readonly<Record<HistoryMetric, PlottedMetric>> = {
  local: {
    title: 'Largest local relative L2',
    log: true,
    read: (run, name) => find(run, name)?.local?.relL2 ?? null,
    format: formatNumber,
    of: 'others',
  },
  accumulated: {
    title: 'Largest accumulated relative L2',
    log: true,
    read: (run, name) => find(run, name)?.accumulated?.relL2 ?? null,
    format: formatNumber,
    of: 'others',
  },
  loss: { title: 'Loss', log: false, read: effect('loss'), format: lossText, of: 'all' },
  'delta-loss': {
    title: 'Δ loss',
    log: false,
    read: effect('deltaLoss'),
    format: formatSigned,
    of: 'others',
  },
  kl: { title: 'KL', log: true, read: effect('kl'), format: klText, of: 'others' },
  flips: {
    title: 'Flipped predictions',
    log: false,
    read: effect('flips'),
    format: formatCount,
    of: 'others',
  },
  'non-finite': {
    title: 'NaN and Inf on valid tokens',
    log: true,
    read: (run, name) => find(run, name)?.nonFinite ?? null,
    format: formatCount,
    of: 'all',
  },
  'max-score': {
    title: 'max |QKᵀ|',
    log: true,
    read: (run, name) => (name === run.reference ? (run.range?.maxScore ?? null) : null),
    format: formatNumber,
    of: 'reference',
  },
  headroom: {
    title: 'Headroom to 65504',
    log: true,
    read: (run, name) => (name === run.reference ? (run.range?.headroom ?? null) : null),
    format: formatNumber,
    of: 'reference',
  },
};

function find(
  { implementations }: HistoryRun,
  name: string,
): HistoryRun['implementations'][number] | undefined {
  return implementations.find((implementation) => implementation.name === name);
}
