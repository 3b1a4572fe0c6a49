import { z } from 'zod';
import { AttnDiffError } from '../errors.js';

/** What onnxruntime-genai's builder writes in place of config.json. */
export const GENAI_CONFIG = 'genai_config.json';

const schema = z.object({
  model: z.object({
    type: z.string(),
    vocab_size: z.int(),
    context_length: z.int(),
    pad_token_id: z.int().nullish(),
    eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
    decoder: z.object({
      head_size: z.int(),
      hidden_size: z.int(),
      num_attention_heads: z.int(),
      num_hidden_layers: z.int(),
      num_key_value_heads: z.int(),
      sliding_window: z
        .object({ window_size: z.int().positive(), layers: z.array(z.int()).nullish() })
        .nullish()
        .catch(null),
    }),
  }),
});

/**
 * The same facts under the names of Hugging Face's config.json.
 *
 * @param path only named in errors
 * @throws AttnDiffError config-unsupported
 */
export function fromGenaiConfig(json: unknown, path: string): Record<string, unknown> {
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new AttnDiffError('config-unsupported', {
      path,
      problem: `${issue?.path.join('.')}: ${issue?.message}`,
    });
  }
  const { decoder, type, context_length, ...model } = parsed.data.model;
  const { head_size, sliding_window, ...sizes } = decoder;
  return {
    model_type: type,
    max_position_embeddings: context_length,
    head_dim: head_size,
    ...model,
    ...sizes,
    ...windowOf(sliding_window, sizes.num_hidden_layers),
  };
}

/** Without a list of layers all of them slide. */
function windowOf(
  window: z.output<typeof schema>['model']['decoder']['sliding_window'],
  count: number,
): Record<string, unknown> {
  if (!window) return {};
  const slides = (layer: number): boolean => window.layers?.includes(layer) ?? true;
  return {
    sliding_window: window.window_size,
    layer_types: Array.from({ length: count }, (_, layer) =>
      slides(layer) ? 'sliding_attention' : 'full_attention',
    ),
  };
}
