import type { z } from 'zod';
import { benchSchema } from './bench.js';
import { compareSchema } from './compare.js';
import { doctorSchema } from './doctor.js';
import { historySchema } from './history.js';
import { inspectSchema } from './inspect.js';
import { mergeSchema } from './merge.js';
import { initSchema } from './init.js';
import { runSchema } from './runOptions.js';
import { unsetKeys } from './unset.js';

export { parseBenchOptions } from './bench.js';
export { COMPARE_FORMATS, parseCompareOptions } from './compare.js';
export { parseDoctorOptions } from './doctor.js';
export { parseInspectPaths } from './inspect.js';
export { parseHistoryOptions } from './history.js';
export { valueHint } from './hints.js';
export { parseMergeOptions } from './merge.js';
export { parseRunOptions } from './run.js';
export type { OutsideKey } from './file.js';
export type { BenchConfig, RawBenchOptions } from './bench.js';
export type { KeepingConfig } from './keeping.js';
export type { RawMergeOptions } from './merge.js';
export type { PromptSource } from './inputs.js';
export type { ReportTarget } from './reports.js';
export { readConfigFile, type ConfigFile } from './file.js';
export { configJsonSchema } from './fileSchema.js';
export { parseInitOptions } from './init.js';
export type { RunConfig } from './run.js';
export type { RawRunOptions } from './runOptions.js';
export { starterJson, starterYaml, type StarterModel } from './starter.js';
export {
  CI_SERVERS,
  starterWorkflow,
  WORKFLOW_PATHS,
  type CiServer,
  type Installation,
} from './starterWorkflow.js';

const RUN = { ...runSchema.shape, unset: unsetKeys };
const SCHEMAS: Readonly<Record<string, Readonly<Record<string, z.core.$ZodType>>>> = {
  run: RUN,
  explain: RUN,
  demo: RUN,
  init: initSchema.shape,
  inspect: inspectSchema.shape,
  bench: benchSchema.shape,
  doctor: doctorSchema.shape,
  compare: compareSchema.shape,
  merge: mergeSchema.shape,
  history: historySchema.shape,
};

/** What the options of a command are checked with, by the names that commander gives them. */
export function optionSchemas(command: string): Readonly<Record<string, z.core.$ZodType>> {
  return SCHEMAS[command] ?? {};
}
