export { parseInspectPaths } from './inspect.js';
export { parseRunOptions } from './run.js';
export type { PromptSource, RawRunOptions, RunConfig } from './run.js';
