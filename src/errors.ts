/**
 * Everything that a user can get wrong, as data: a code and its arguments.
 * The sentences are made in report/errorText.ts.
 */
import type { KeyDifference, KeyField } from './baselineTypes.js';

export const EXIT = { passed: 0, gateFailed: 1, usage: 2, model: 3, execution: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface ErrorArgs {
  // usage and configuration: exit code 2
  usage: { problem: string; command: string };
  /** `value` is null where the option was not given. */
  'bad-option': { option: string; value: string | null; problem: string; remedy: string };
  'unknown-implementation': { option: string; value: string };
  'prompts-unreadable': { path: string; problem: string };
  'prompts-empty': { path: string };
  'prompts-not-utf8': { path: string };
  'prompts-bad-jsonl': { path: string; line: number; problem: string };
  'prompt-no-tokens': { prompt: string };
  'prompt-too-long': { prompt: string; tokens: number; limit: number };
  'mask-unreadable': { path: string; problem: string };
  'mask-invalid': { path: string; problem: string };
  'mask-shape': { path: string; found: string; needed: string; batch: string };
  'tokenizer-missing': { folder: string };
  'tokenizer-unreadable': { path: string; problem: string };
  'pad-token-missing': { folder: string };
  'chat-template-missing': { folder: string };
  'chat-template-unusable': { path: string; problem: string };
  'token-out-of-range': { id: number; vocabSize: number };
  'provider-missing': { provider: string; problem: string; available: string[] };
  'file-exists': { path: string };
  'output-not-writable': { path: string; problem: string };
  'folder-not-writable': { path: string; problem: string };
  'resume-unasked': { path: string; batches: number };
  'resume-mismatch': { path: string; field: string };
  'resume-unreadable': { path: string; problem: string };
  'config-file-unreadable': { path: string; problem: string };
  /** `line` is from 1; `key` is null where it is about the whole. */
  'config-file-invalid': { path: string; line: number; key: string | null; problem: string };
  'config-file-ambiguous': { paths: string[] };
  'config-file-there': { path: string };
  'report-unreadable': { path: string; problem: string };
  /** `line` counts from 1; null where it is about the whole file. */
  'history-unreadable': { path: string; line: number | null; problem: string };
  /** The first difference, and all fields that differ. */
  'baseline-mismatch': { path: string; fields: readonly KeyField[] } & KeyDifference;
  'baseline-apart': { path: string; what: 'batches' | 'implementations'; was: string; is: string };
  'baseline-shard': { path: string; index: number; count: number };
  'merge-not-shard': { path: string };
  /** The first field that differs, with its values as JSON; null where it is not there. */
  'merge-differs': { path: string; other: string; field: string; value: string | null; otherValue: string | null };
  'merge-twice': { path: string; other: string; index: number };
  'merge-missing': { missing: number[]; count: number };
  'merge-damaged': { path: string; problem: string };
  'merge-unanswered': { path: string; implementation: string; batch: string };
  // model unreadable or not supported: exit code 3
  'model-not-found': { path: string };
  'model-no-onnx': { folder: string };
  'model-ambiguous': { folder: string; files: string[]; dtypes: string[] };
  'dtype-missing': { folder: string; dtype: string; available: string[] };
  'model-unreadable': { path: string; problem: string };
  'model-empty': { path: string };
  'model-not-onnx': { path: string; problem: string };
  'hub-setting': { name: string; problem: string; remedy: string };
  'hub-repo-missing': { repo: string; endpoint: string };
  'hub-revision-missing': { repo: string; revision: string };
  'hub-file-missing': { repo: string; file: string };
  'hub-no-onnx': { repo: string; files: string[] };
  'hub-ambiguous': { repo: string; files: string[]; dtypes: string[] };
  'hub-denied': { repo: string; endpoint: string; status: number };
  'hub-gated': { repo: string; url: string };
  'hub-offline': { what: string; cache: string };
  'hub-unreachable': { what: string; endpoint: string; problem: string };
  'hub-response': { url: string; problem: string };
  'hub-cut': { file: string; received: number; problem: string };
  'hub-checksum': { file: string; expected: string; actual: string };
  'hub-cache': { path: string; problem: string };
  'config-missing': { path: string };
  'config-unreadable': { path: string; problem: string };
  'config-unsupported': { path: string; problem: string };
  'external-data-missing': { path: string; tensor: string };
  'external-data-short': { path: string; tensor: string; needed: number; size: number };
  'external-data-outside': { location: string; tensor: string };
  'external-data-invalid': { tensor: string; problem: string };
  'no-attention': { path: string };
  'site-not-recognised': { node: string; opType: string; layer: number; problem: string };
  'graph-not-supported': { problem: string };
  'layer-count': { found: number; expected: number };
  'not-buildable': { implementation: string; problem: string };
  'rebuild-differs': { what: string; layer: number | null; actual: number; limit: number };
  // execution failed: exit code 4
  'execution-failed': { stage: string; problem: string };
  'runner-crashed': { stage: string; signal: string };
  'timed-out': { stage: string; seconds: number };
  /** `kept` is null where nothing was. */
  interrupted: { kept: { path: string; done: number; total: number } | null };
}

export type ErrorCode = keyof ErrorArgs;

const USAGE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'usage', 'bad-option', 'unknown-implementation', 'prompts-unreadable', 'prompts-empty', 'prompts-not-utf8',
  'prompts-bad-jsonl', 'prompt-no-tokens', 'prompt-too-long', 'mask-unreadable', 'mask-invalid', 'mask-shape', 'tokenizer-missing', 'tokenizer-unreadable',
  'pad-token-missing', 'chat-template-missing', 'chat-template-unusable', 'token-out-of-range', 'provider-missing', 'file-exists', 'output-not-writable', 'folder-not-writable',
  'resume-unasked', 'resume-mismatch', 'resume-unreadable', 'config-file-unreadable', 'config-file-invalid', 'config-file-ambiguous', 'config-file-there', 'report-unreadable', 'history-unreadable', 'baseline-mismatch', 'baseline-apart', 'baseline-shard',
  'merge-not-shard', 'merge-differs', 'merge-twice', 'merge-missing', 'merge-damaged', 'merge-unanswered',
]);
const EXECUTION: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['execution-failed', 'runner-crashed', 'timed-out', 'interrupted']);

/** An error that the user can act on. Anything else that is thrown is a fault of attn-diff and keeps its stack. */
export class AttnDiffError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly args: ErrorArgs[C];

  constructor(code: C, args: ErrorArgs[C]) {
    super(`${code} ${JSON.stringify(args)}`);
    this.name = 'AttnDiffError';
    this.code = code;
    this.args = args;
  }

  get exitCode(): ExitCode {
    if (USAGE.has(this.code)) return EXIT.usage;
    return EXECUTION.has(this.code) ? EXIT.execution : EXIT.model;
  }
}
