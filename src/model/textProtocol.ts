import type { ErrorArgs, ErrorCode } from '../errors.js';
import type { ChatMessage } from './chat.js';
import type { TokenizerSource } from './tokenizer.js';

/** What is asked of the process that makes tokens of text; one answer each, in order. */
export type TextCall =
  | { do: 'load'; source: TokenizerSource }
  | { do: 'encode'; text: string; addsSpecials: boolean }
  | { do: 'render'; messages: readonly ChatMessage[] };

export type TextAnswer =
  | { ok: true; value: number | string | number[] }
  | { ok: false; code: ErrorCode; args: ErrorArgs[ErrorCode] }
  | { ok: false; problem: string };
