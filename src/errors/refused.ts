import { clause, error } from './wording.js';

/** Why ONNX Runtime refuses a model, with what helps. */
const REFUSAL_ADVICE = {
  operator: 'Operators of custom libraries are not loaded: export the model without this one',
  kernel:
    'Choose another --dtype of the model, or run it on the provider that it was made for (--impl NAME@PROVIDER)',
  types:
    'Export the model again, or undo what changed its types since; onnx.checker.check_model(path, full_check=True) checks it',
  shapes:
    'Export the model again, or undo what changed its shapes since; onnx.checker.check_model(path, full_check=True) checks it',
  version: 'Export it for an older version of ONNX (a lower opset or IR version)',
  weights: 'Copy or download the weights again, beside the .onnx file',
  damaged: 'Export or download it again',
  node: 'Run the file by itself in ONNX Runtime on such a batch: where that works, report this with the model and these versions',
  graph:
    'Export the model again, or undo what changed the file since; onnx.checker.check_model checks it',
} as const;

export type RefusalReason = keyof typeof REFUSAL_ADVICE;

/** ONNX Runtime refuses the model, or what it is fed: exit code 3. */
export const REFUSED = {
  'model-refused': error(
    (a: { stage: string; reason: RefusalReason; problem: string }) =>
      `ONNX Runtime refuses the model (${clause(a.stage)}): ${clause(a.problem)}`,
    (a) => REFUSAL_ADVICE[a.reason],
  ),
  'input-refused': error(
    (a: { stage: string; what: 'size' | 'type'; problem: string }) =>
      `ONNX Runtime refuses what the model is fed (${clause(a.stage)}): ${clause(a.problem)}`,
    (a) =>
      a.what === 'size'
        ? 'Export the model with dynamic batch and sequence axes; attn-diff inspect lists its inputs'
        : 'Export the model with inputs as Hugging Face has them; attn-diff inspect lists those of this file',
  ),
  'rebuilt-refused': error(
    (a: { stage: string; problem: string }) =>
      `ONNX Runtime takes this file, but refuses the graph that is rebuilt from it (${clause(a.stage)}): ${clause(a.problem)}`,
    "Put this model's own config.json beside it; where that is the one, report the exporter and opset as an issue (attn-diff inspect prints them)",
  ),
};
