export { parseInspectPaths } from './inspect.js';
export { parseRunOptions } from './run.js';
export type { OutputFormat, PromptSource, RawRunOptions, RunConfig } from './run.js';
