import { EXIT, type ExitCode } from './errors.js';

export interface HookRun {
  model: string;
  /** Arguments of `attn-diff`. */
  args: string[];
}

/** An ONNX file, or what exporters put its weights into beside it: `model.onnx_data`, `model.onnx.data`. */
const MODEL = /^(.+\.onnx)(?:[._]data\w*)?$/;

/**
 * The runs of attn-diff that a hook of pre-commit comes to: one for each model among the files, with the options that
 * stand before them.
 *
 * @param args options of `attn-diff run`, then files, of which some may be weights of one model
 */
export function hookRuns(args: readonly string[]): HookRun[] {
  const begin = args.findLastIndex((arg) => !MODEL.test(arg)) + 1;
  const models = new Set(args.slice(begin).map((file) => MODEL.exec(file)![1]!));
  return [...models].map((model) => ({
    model,
    args: ['run', '--model', model, ...args.slice(0, begin)],
  }));
}

/**
 * The gravest of several exit codes, which is the largest.
 *
 * @param codes null for a process that a signal ended
 */
export function gravest(codes: readonly (ExitCode | null)[]): ExitCode {
  return Math.max(...codes.map((code) => code ?? EXIT.execution)) as ExitCode;
}

/**
 * A line for each model that did not pass, to stand below reports that are long, and errors that need not name it.
 *
 * @param ran each with its exit code, null where a signal ended it
 */
export function notPassed(ran: readonly { model: string; code: ExitCode | null }[]): string[] {
  return ran
    .filter(({ code }) => code !== EXIT.passed)
    .map(({ model, code }) => {
      const what = code === EXIT.gateFailed ? 'failed the gate' : 'could not be checked';
      return `attn-diff-pre-commit: ${model} ${what} (${code === null ? 'ended by a signal' : `exit code ${code}`}).`;
    });
}
