export { parseBenchOptions } from './bench.js';
export { COMPARE_FORMATS, parseCompareOptions } from './compare.js';
export { parseDoctorOptions } from './doctor.js';
export { parseInspectPaths } from './inspect.js';
export { parseRunOptions } from './run.js';
export type { BenchConfig, RawBenchOptions } from './bench.js';
export type { PromptSource } from './inputs.js';
export type { ReportTarget } from './reports.js';
export type { RawRunOptions, RunConfig } from './run.js';
