export type { ModelConfig } from './config.js';
export { DTYPES, type Dtype } from './dtype.js';
export type { HubOptions } from './hub.js';
export type { HubProgress } from './hubDownload.js';
export { locateModel, openModelSource } from './source.js';
export type { ModelOptions, ModelSource } from './source.js';
export type { ChatMessage } from './chat.js';
export { loadTokenizer } from './tokenizer.js';
export type { Tokenizer } from './tokenizer.js';
