import { z } from 'zod';
import {
  rotaryEmbedding,
  ROTARY_SCALINGS,
  type RotaryEmbedding,
  type RotaryScaling,
} from './rotary.js';

/** What config.json says of attention beyond its sizes; null where it says nothing, or in a way that is not known here. */
export interface AttentionConfig {
  /** What the scores are multiplied with. */
  scale: number | null;
  /** By layer; `none` for a layer without position embedding. */
  rotary: (RotaryEmbedding | 'none' | null)[];
  /** Of every RMSNorm. */
  epsilon: number | null;
  /** Whether the projections of query, key and value add a bias. */
  bias: boolean | null;
  /** Whether each query and key head is normalised. */
  qkNorm: boolean | null;
}

/** Sizes that config.json has been read for already. */
export interface AttentionSizes {
  layers: number;
  headDim: number;
  maxPositions: number;
  layerTypes: readonly string[] | null;
}

/** Where Hugging Face's model has its biases from: always, never, or from a key, false without it unless said. */
type Bias = boolean | { key: string; otherwise: boolean };

const LLAMA = { bias: { key: 'attention_bias', otherwise: false }, qkNorm: false } as const;
const QWEN2 = { bias: true, qkNorm: false } as const;
const QWEN3 = { bias: { key: 'attention_bias', otherwise: false }, qkNorm: true } as const;

/** Model types whose code was read: those of others may scale, add or normalise otherwise without a key that says so. */
const FAMILIES: Readonly<Record<string, { bias: Bias; qkNorm: boolean }>> = {
  qwen2: QWEN2,
  qwen2_vl_text: QWEN2,
  qwen2_5_vl_text: QWEN2,
  qwen2_moe: { bias: { key: 'qkv_bias', otherwise: true }, qkNorm: false },
  qwen3: QWEN3,
  qwen3_moe: QWEN3,
  qwen3_vl_text: QWEN3,
  llama: LLAMA,
  mistral: { bias: false, qkNorm: false },
  mixtral: { bias: false, qkNorm: false },
  smollm3: LLAMA,
};

const number = z.number().optional().catch(undefined);
const positive = z.number().positive().optional().catch(undefined);
const rope = z
  .looseObject({
    rope_theta: positive,
    rope_type: z.string().optional().catch(undefined),
    type: z.string().optional().catch(undefined),
    partial_rotary_factor: positive,
    factor: positive,
    original_max_position_embeddings: positive,
    attention_factor: positive,
    beta_fast: number,
    beta_slow: number,
    mscale: number,
    mscale_all_dim: number,
    truncate: z.boolean().optional().catch(undefined),
    low_freq_factor: positive,
    high_freq_factor: positive,
    short_factor: z.array(z.number().positive()).optional().catch(undefined),
  })
  .nullish();
type Rope = z.output<typeof rope>;

/** Only what is there counts: a default of Hugging Face's class says nothing of a file that did not come with it. */
const schema = z.looseObject({
  model_type: z.string().catch(''),
  rms_norm_eps: positive,
  query_pre_attn_scalar: positive,
  attention_multiplier: positive,
  rope_theta: positive,
  rope_local_base_freq: positive,
  partial_rotary_factor: positive,
  original_max_position_embeddings: positive,
  rope_scaling: rope.catch({ type: 'unknown' }),
  rope_parameters: rope.catch({ type: 'unknown' }),
  no_rope_layers: z.array(z.number()).nullish().catch(null),
});
type Raw = z.output<typeof schema>;

/** Reads what config.json says of attention. Takes any value: what is of another form counts as not said. */
export function readAttentionConfig(json: unknown, sizes: AttentionSizes): AttentionConfig {
  const raw = schema.parse(typeof json === 'object' && json !== null ? json : {});
  const family = Object.hasOwn(FAMILIES, raw.model_type) ? FAMILIES[raw.model_type]! : null;
  return {
    scale:
      raw.attention_multiplier ??
      (raw.query_pre_attn_scalar
        ? raw.query_pre_attn_scalar ** -0.5
        : family && sizes.headDim ** -0.5),
    rotary: Array.from({ length: sizes.layers }, (_, layer) => rotaryOf(raw, layer, sizes)),
    epsilon: raw.rms_norm_eps ?? null,
    bias: family && biasOf(raw, family.bias),
    qkNorm: family && family.qkNorm,
  };
}

function biasOf(raw: Raw, bias: Bias): boolean {
  if (typeof bias === 'boolean') return bias;
  const value = raw[bias.key];
  return typeof value === 'boolean' ? value : bias.otherwise;
}

function rotaryOf(
  raw: Raw,
  layer: number,
  { headDim, maxPositions, layerTypes }: AttentionSizes,
): RotaryEmbedding | 'none' | null {
  if (raw.no_rope_layers?.[layer] === 0) return 'none';
  const type = layerTypes?.[layer];
  // Since transformers 5 there may be one embedding for each type of layer; before, Gemma 3 had a key of its own.
  const own = type === undefined ? undefined : raw.rope_parameters?.[type];
  const parameters = own === undefined ? raw.rope_parameters : rope.catch(null).parse(own);
  const isLocal = type === 'sliding_attention' && raw.rope_local_base_freq !== undefined;
  const scaling: Rope = isLocal ? null : (parameters ?? raw.rope_scaling);
  const theta = isLocal ? raw.rope_local_base_freq : (parameters?.rope_theta ?? raw.rope_theta);
  const name = scalingOf(scaling);
  const width = Math.trunc(
    headDim * (scaling?.partial_rotary_factor ?? raw.partial_rotary_factor ?? 1),
  );
  if (theta === undefined || name === null || width < 2 || width % 2 !== 0 || width > headDim)
    return null;
  const original =
    scaling?.original_max_position_embeddings ?? raw.original_max_position_embeddings;
  return rotaryEmbedding(name, {
    ...scaling,
    theta,
    width,
    maxPositions,
    original_max_position_embeddings: original,
  });
}

/** Names that older releases wrote; mrope turns text by its one position as any other embedding does. */
const ALIASES: Readonly<Record<string, RotaryScaling>> = { mrope: 'default', su: 'longrope' };

function scalingOf(scaling: Rope): RotaryScaling | null {
  const name = scaling?.rope_type ?? scaling?.type ?? 'default';
  return (
    ROTARY_SCALINGS.find((known) => known === name) ??
    (Object.hasOwn(ALIASES, name) ? ALIASES[name]! : null)
  );
}
