import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AttnDiffError } from '../errors.js';
import { decoderConfig } from './nestedConfig.js';
import { readAttentionConfig, type AttentionConfig } from './attentionConfig.js';
import { fromGenaiConfig, GENAI_CONFIG } from './genaiConfig.js';
import { jsonProblem, readJson } from './json.js';

/** What attn-diff needs of Hugging Face's config.json. */
export interface ModelConfig {
  modelType: string;
  architectures: string[];
  hiddenSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabSize: number;
  /** Whether the head's weights are the embedding's. */
  tiedEmbeddings: boolean;
  /** Classes of a classifier; null where config.json names none. */
  labels: number | null;
  /** Positions that the rotary embedding is made for, its scaling included; Infinity where it adapts to any length (dynamic NTK). */
  maxPositions: number;
  /** In tokens; null unless some layer slides. */
  slidingWindow: number | null;
  /** Layers from this one on slide, where layerTypes is null. */
  maxWindowLayers: number;
  layerTypes: string[] | null;
  /** Numbers of the layers whose token mixer is softmax attention, and the kind of each of the others (`linear_attention`). */
  attentionLayers: number[];
  otherLayers: { layer: number; type: string }[];
  /** Whether a query attends to no later token: what a decoder does unless config.json makes an encoder of it. */
  isCausal: boolean;
  /** The rotary embedding: angles of position p are p·theta^(−2i/D)/factor; null where config.json does not say, or scales them otherwise. */
  rope: { theta: number; factor: number } | null;
  rmsNormEps: number;
  attention: AttentionConfig;
  padTokenId: number | null;
  /** The first, where config.json lists several. */
  eosTokenId: number | null;
}

const size = z.int().positive();
const tokenId = z.int().nullish();

const positive = z.number().positive().nullish();
/** What is of another form is another embedding, and no reason to refuse the model. */
const rope = z
  .object({
    rope_theta: positive,
    rope_type: z.string().nullish(),
    type: z.string().nullish(),
    factor: positive,
    original_max_position_embeddings: positive,
    partial_rotary_factor: positive,
  })
  .nullish()
  .catch({ type: 'unknown' });

/** Defaults as in Hugging Face's Qwen2Config; the sizes have none, since save_pretrained always writes them. */
const schema = z.object({
  model_type: z.string(),
  architectures: z.array(z.string()).nullish(),
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  vocab_size: size,
  tie_word_embeddings: z.boolean().nullish().catch(null),
  num_labels: size.nullish().catch(null),
  id2label: z.record(z.string(), z.unknown()).nullish().catch(null),
  max_position_embeddings: size.default(32768),
  use_sliding_window: z.boolean().nullish(),
  sliding_window: z.int().nonnegative().nullable().default(4096),
  max_window_layers: z.int().nonnegative().default(28),
  layer_types: z.array(z.string()).nullish(),
  full_attention_interval: size.nullish().catch(null),
  is_causal: z.boolean().nullish().catch(null),
  use_bidirectional_attention: z.boolean().nullish().catch(null),
  rope_theta: positive.catch(null),
  rope_scaling: rope,
  rope_parameters: rope,
  partial_rotary_factor: positive.catch(null),
  rms_norm_eps: z.number().positive().default(1e-6),
  pad_token_id: tokenId,
  eos_token_id: z.union([tokenId, z.array(z.int())]),
});

/**
 * Reads and checks config.json, or the genai_config.json beside where it should be.
 *
 * @throws AttnDiffError config-missing, config-unreadable (not JSON), config-unsupported (names the key)
 */
export async function readModelConfig(path: string): Promise<ModelConfig> {
  const json = await readOptional(path);
  if (json !== undefined) return parseModelConfig(json, path);
  const genaiPath = join(dirname(path), GENAI_CONFIG);
  const genai = await readOptional(genaiPath);
  if (genai === undefined) throw new AttnDiffError('config-missing', { path });
  return parseModelConfig(fromGenaiConfig(genai, genaiPath), genaiPath);
}

/** Bytes; a config.json of a mixture of experts takes some hundred thousand. */
const LARGEST_CONFIG = 4e6;

/** @returns undefined where there is no such file */
async function readOptional(path: string): Promise<unknown> {
  try {
    return await readJson(path, LARGEST_CONFIG);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new AttnDiffError('config-unreadable', { path, problem: jsonProblem(error) });
  }
}

/**
 * Turns config.json's value into a {@link ModelConfig}; unknown keys are ignored. Where the decoder's sizes are in a
 * part of their own, as in models that also see or hear, that part is read.
 * num_key_value_heads defaults to num_attention_heads, head_dim to hidden_size / num_attention_heads.
 *
 * @param path only named in errors
 * @throws AttnDiffError config-unsupported
 */
export function parseModelConfig(json: unknown, path: string): ModelConfig {
  const unsupported = (problem: string): AttnDiffError =>
    new AttnDiffError('config-unsupported', { path, problem });
  const { config, prefix } = decoderConfig(json);
  const parsed = schema.safeParse(config);
  if (!parsed.success) throw unsupported(`${prefix}${describeIssue(parsed.error.issues[0])}`);

  const raw = parsed.data;
  const layers = raw.num_hidden_layers;
  const heads = raw.num_attention_heads;
  const kvHeads = raw.num_key_value_heads ?? heads;
  const headDim = raw.head_dim ?? raw.hidden_size / heads;
  if (heads % kvHeads !== 0) {
    throw unsupported(
      `num_attention_heads (${heads}) is not a multiple of num_key_value_heads (${kvHeads})`,
    );
  }
  if (!Number.isInteger(headDim)) {
    throw unsupported(
      `hidden_size (${raw.hidden_size}) is not a multiple of num_attention_heads (${heads}), and head_dim is not given`,
    );
  }
  if (raw.layer_types && raw.layer_types.length !== layers) {
    throw unsupported(
      `layer_types has ${raw.layer_types.length} entries for num_hidden_layers ${layers}`,
    );
  }
  const layerTypes = raw.layer_types ?? interleaved(layers, raw.full_attention_interval);
  return {
    modelType: raw.model_type,
    architectures: raw.architectures ?? [],
    hiddenSize: raw.hidden_size,
    layers,
    heads,
    kvHeads,
    headDim,
    vocabSize: raw.vocab_size,
    tiedEmbeddings: raw.tie_word_embeddings === true,
    labels: raw.num_labels ?? (raw.id2label ? Object.keys(raw.id2label).length : null),
    maxPositions: mostPositions(raw),
    slidingWindow:
      raw.use_sliding_window ||
      raw.layer_types?.includes('sliding_attention') ||
      slidesThroughout(raw)
        ? raw.sliding_window || null
        : null,
    maxWindowLayers: slidesThroughout(raw) ? 0 : raw.max_window_layers,
    layerTypes,
    ...tokenMixers(layers, layerTypes),
    isCausal:
      raw.is_causal ??
      !(
        raw.use_bidirectional_attention ??
        raw.architectures?.some((name) => BIDIRECTIONAL.test(name))
      ),
    rope: rotaryEmbedding(raw),
    rmsNormEps: raw.rms_norm_eps,
    attention: readAttentionConfig(config, {
      layers,
      headDim,
      maxPositions: raw.max_position_embeddings,
      layerTypes,
    }),
    padTokenId: existing(raw.pad_token_id),
    eosTokenId: existing(Array.isArray(raw.eos_token_id) ? raw.eos_token_id[0] : raw.eos_token_id),
  };
}

/** Model types without use_sliding_window: a sliding_window is one of every layer. */
const SLIDING: ReadonlySet<string> = new Set(['mistral', 'mixtral', 'phi3', 'starcoder2']);

function slidesThroughout({
  model_type,
  use_sliding_window,
  layer_types,
}: z.output<typeof schema>): boolean {
  return SLIDING.has(model_type) && use_sliding_window == null && layer_types == null;
}

/** Layer types by Hugging Face's names whose token mixer is softmax attention over keys and values. */
const SOFTMAX_ATTENTION: ReadonlySet<string> = new Set([
  'full_attention',
  'sliding_attention',
  'chunked_attention',
  'attention',
]);

/** Classes of models that embed text with a decoder's weights: `LlamaBidirectionalModel`, `Qwen2BiModel`, `Qwen2EncoderModel`. */
const BIDIRECTIONAL = /Bidirectional|Bi(?:Model|For)|Encoder(?:Model|$)/;

function tokenMixers(
  layers: number,
  layerTypes: readonly string[] | null,
): Pick<ModelConfig, 'attentionLayers' | 'otherLayers'> {
  const all = Array.from({ length: layers }, (_, layer) => ({
    layer,
    type: layerTypes?.[layer] ?? 'full_attention',
  }));
  return {
    attentionLayers: all
      .filter(({ type }) => SOFTMAX_ATTENTION.has(type))
      .map(({ layer }) => layer),
    otherLayers: all.filter(({ type }) => !SOFTMAX_ATTENTION.has(type)),
  };
}

/** Qwen3-Next's way to say that every n-th layer has full attention, and the others linear. */
function interleaved(layers: number, interval: number | null | undefined): string[] | null {
  return interval == null
    ? null
    : Array.from({ length: layers }, (_, layer) =>
        (layer + 1) % interval === 0 ? 'full_attention' : 'linear_attention',
      );
}

/** Dynamic NTK stretches its frequencies to the length of the batch; other scalings reach further by their factor. */
function mostPositions({
  max_position_embeddings: most,
  rope_scaling,
  rope_parameters,
}: z.output<typeof schema>): number {
  const scaling = rope_parameters ?? rope_scaling;
  const type = scaling?.rope_type ?? scaling?.type ?? 'default';
  if (type === 'dynamic') return Infinity;
  const original = scaling?.original_max_position_embeddings ?? (type === 'linear' ? most : null);
  return original === null || scaling?.factor == null
    ? most
    : Math.max(most, Math.floor(original * scaling.factor));
}

function rotaryEmbedding({
  rope_theta,
  rope_scaling,
  rope_parameters,
  partial_rotary_factor,
}: z.output<typeof schema>): ModelConfig['rope'] {
  const theta = rope_parameters?.rope_theta ?? rope_theta;
  const scaling = rope_parameters ?? rope_scaling;
  const type = scaling?.rope_type ?? scaling?.type ?? 'default';
  if (theta == null || (scaling?.partial_rotary_factor ?? partial_rotary_factor ?? 1) !== 1)
    return null;
  if (type === 'default') return { theta, factor: 1 };
  return type === 'linear' && scaling?.factor != null ? { theta, factor: scaling.factor } : null;
}

/** Some configs write −1 for "none". */
function existing(id: number | null | undefined): number | null {
  return id === null || id === undefined || id < 0 ? null : id;
}

function describeIssue(issue: z.core.$ZodIssue | undefined): string {
  const key = issue?.path.join('.') ?? '';
  const message = issue?.message ?? 'invalid';
  return key === '' ? message : `${key}: ${message}`;
}
