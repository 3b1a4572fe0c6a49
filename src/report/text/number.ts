/**
 * A metric for a reader: three significant digits, `0` only where it is exactly 0, exponents for the tiny and the
 * huge, `NaN` and `Inf` by name.
 */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Inf' : '-Inf';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e5) return value.toExponential(2);
  return size < 1000 ? value.toPrecision(3) : value.toFixed(0);
}

/** As {@link formatNumber}, with a sign in front of positive numbers too. */
export function formatSigned(value: number): string {
  return value > 0 ? `+${formatNumber(value)}` : formatNumber(value);
}

/** A cosine whose distance from 1 stays visible: `1` only where it is exactly 1, else `1 − 1.2e-7`, else `0.9874`. */
export function formatCosine(value: number): string {
  if (!Number.isFinite(value)) return formatNumber(value);
  if (value === 1) return '1';
  const gap = 1 - value;
  return gap < 1e-3 ? `1 − ${gap.toExponential(1)}` : value.toFixed(4);
}

/** A limit with all its digits: `1e-5`, `0.9999`. */
export function formatLimit(value: number): string {
  if (!Number.isFinite(value)) return formatNumber(value);
  const isTiny = value !== 0 && Math.abs(value) < 1e-3;
  return isTiny ? value.toExponential() : String(value).replace('e+', 'e');
}

/** A count with thousands apart: `1,536`. */
export function formatCount(value: number): string {
  return Number.isFinite(value) ? value.toLocaleString('en-US') : formatNumber(value);
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** A number of bytes ≥ 0 with three significant digits, in the largest unit that it fills: `79.6 GiB`. */
export function formatBytes(bytes: number): string {
  const step = Math.min(SIZES.length - 1, Math.max(0, Math.floor(Math.log2(bytes) / 10)));
  const value = bytes / 1024 ** step;
  return `${value >= 100 || step === 0 ? value.toFixed(0) : value.toPrecision(3)} ${SIZES[step]}`;
}

/** A count with its noun: `1 token`, `2 tokens`, `2 batches`. */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : nouns}`;
}
