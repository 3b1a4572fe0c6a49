export type { ModelConfig } from './config.js';
export { openModelSource } from './source.js';
export type { ModelSource } from './source.js';
export { loadTokenizer } from './tokenizer.js';
export type { Tokenizer } from './tokenizer.js';
