/** A rotary embedding (Su et al. 2021, arXiv 2104.09864) as config.json describes it. */
export interface RotaryEmbedding {
  theta: number;
  /** How the frequencies are changed for long contexts, by Hugging Face's rope_type; `default` for not at all. */
  scaling: RotaryScaling;
  /** Radians per position of each rotated pair; there are rotary width / 2. */
  frequencies: number[];
  /** What cos and sin are multiplied with; 1 but for YaRN and LongRoPE. */
  amplitude: number;
}

export const ROTARY_SCALINGS = [
  'default',
  'linear',
  'dynamic',
  'yarn',
  'longrope',
  'llama3',
] as const;
export type RotaryScaling = (typeof ROTARY_SCALINGS)[number];

/** The numbers of config.json's rope_scaling or rope_parameters, under the names they have there. */
export interface RotaryParameters {
  theta: number;
  /** How many elements of a head are rotated: head_dim, times partial_rotary_factor. */
  width: number;
  maxPositions: number;
  original_max_position_embeddings?: number | undefined;
  factor?: number | undefined;
  attention_factor?: number | undefined;
  beta_fast?: number | undefined;
  beta_slow?: number | undefined;
  mscale?: number | undefined;
  mscale_all_dim?: number | undefined;
  truncate?: boolean | undefined;
  low_freq_factor?: number | undefined;
  high_freq_factor?: number | undefined;
  short_factor?: readonly number[] | undefined;
}

/**
 * Frequencies and amplitude of a rotary embedding at positions that need no long context, as transformers'
 * `ROPE_INIT_FUNCTIONS` give them (compared with release 5.24), in float64. Dynamic scaling begins beyond
 * max_position_embeddings, and LongRoPE's long factors beyond the original context: neither is of those.
 *
 * @returns null where a number is missing that this scaling needs
 */
export function rotaryEmbedding(
  scaling: RotaryScaling,
  parameters: RotaryParameters,
): RotaryEmbedding | null {
  const { theta, width } = parameters;
  const plain = Array.from({ length: width / 2 }, (_, i) => theta ** ((-2 * i) / width));
  const scaled = SCALED[scaling](plain, parameters);
  return scaled && scaled.frequencies.every(Number.isFinite) ? { theta, scaling, ...scaled } : null;
}

type Scaled = Pick<RotaryEmbedding, 'frequencies' | 'amplitude'> | null;

const SCALED: Record<RotaryScaling, (plain: number[], parameters: RotaryParameters) => Scaled> = {
  default: (frequencies) => ({ frequencies, amplitude: 1 }),
  dynamic: (frequencies) => ({ frequencies, amplitude: 1 }),
  linear: (plain, { factor }) =>
    factor === undefined
      ? null
      : { frequencies: plain.map((value) => value / factor), amplitude: 1 },
  yarn,
  longrope,
  llama3,
};

/** Peng et al. 2023, arXiv 2309.00071. */
function yarn(plain: number[], parameters: RotaryParameters): Scaled {
  const {
    theta,
    width,
    maxPositions,
    attention_factor,
    mscale,
    mscale_all_dim,
    truncate = true,
  } = parameters;
  const {
    original_max_position_embeddings: original = maxPositions,
    beta_fast,
    beta_slow,
  } = parameters;
  const factor = parameters.factor ?? maxPositions / original;
  const growth = (scale = 1): number => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  const amplitude =
    attention_factor ??
    (mscale && mscale_all_dim ? growth(mscale) / growth(mscale_all_dim) : growth());
  /** The pair that turns so often over the original context. */
  const pairOf = (turns: number): number =>
    (width * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairOf(beta_fast || 32), pairOf(beta_slow || 1)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, width - 1);
  const steep = low === high ? 0.001 : high - low;
  return {
    amplitude,
    frequencies: plain.map((value, i) => {
      const interpolated = Math.min(Math.max((i - low) / steep, 0), 1);
      return (value / factor) * interpolated + value * (1 - interpolated);
    }),
  };
}

/** Ding et al. 2024, arXiv 2402.13753. */
function longrope(plain: number[], parameters: RotaryParameters): Scaled {
  const {
    maxPositions,
    original_max_position_embeddings: original,
    short_factor,
    attention_factor,
  } = parameters;
  if (original === undefined || short_factor?.length !== plain.length) return null;
  const factor = parameters.factor ?? maxPositions / original;
  const amplitude =
    attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)));
  return { frequencies: plain.map((value, i) => value / short_factor[i]!), amplitude };
}

/** Grattafiori et al. 2024, arXiv 2407.21783: long waves are stretched by the factor, short ones kept. */
function llama3(plain: number[], parameters: RotaryParameters): Scaled {
  const { factor, low_freq_factor: low, high_freq_factor: high } = parameters;
  const { original_max_position_embeddings: original } = parameters;
  if (factor === undefined || low === undefined || high === undefined || original === undefined)
    return null;
  const stretched = (value: number): number => {
    const wave = (2 * Math.PI) / value;
    if (wave < original / high) return value;
    if (wave > original / low) return value / factor;
    const kept = (original / wave - low) / (high - low);
    return ((1 - kept) * value) / factor + kept * value;
  };
  return { frequencies: plain.map(stretched), amplitude: 1 };
}
