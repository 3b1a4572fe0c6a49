import { EXIT } from './errors.js';

/** An ONNX file, or what exporters put its weights into beside it: `model.onnx_data`, `model.onnx.data`. */
const MODEL = /^(.+\.onnx)(?:[._]data\w*)?$/;

/**
 * The runs of attn-diff that a hook of pre-commit comes to: one for each model among the files, with the options that
 * stand before them.
 *
 * @param args options of `attn-diff run`, then files, of which some may be weights of one model
 * @returns arguments of `attn-diff`
 */
export function hookRuns(args: readonly string[]): string[][] {
  const begin = args.findLastIndex((arg) => !MODEL.test(arg)) + 1;
  const models = new Set(args.slice(begin).map((file) => MODEL.exec(file)![1]!));
  return [...models].map((model) => ['run', '--model', model, ...args.slice(0, begin)]);
}

/**
 * The gravest of several exit codes, which is the largest.
 *
 * @param codes null for a process that a signal ended
 */
export function gravest(codes: readonly (number | null)[]): number {
  return Math.max(...codes.map((code) => code ?? EXIT.execution));
}
