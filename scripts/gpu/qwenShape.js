/** The sizes of Qwen2.5-0.5B. */
export const HALF_BILLION = {
  layers: 24,
  hidden: 896,
  heads: 14,
  kvHeads: 2,
  headDim: 64,
  intermediate: 4864,
  vocabulary: 151_936,
};

/** The config.json that belongs to a model of these sizes. */
export function configOf({ layers, hidden, heads, kvHeads, intermediate, vocabulary }) {
  return {
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    dtype: 'float32',
    hidden_act: 'silu',
    hidden_size: hidden,
    intermediate_size: intermediate,
    max_position_embeddings: 32_768,
    num_attention_heads: heads,
    num_hidden_layers: layers,
    num_key_value_heads: kvHeads,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    sliding_window: null,
    tie_word_embeddings: false,
    use_sliding_window: false,
    vocab_size: vocabulary,
    bos_token_id: 1,
    eos_token_id: 2,
    pad_token_id: 0,
  };
}
