import { bashCompletion } from './bash.js';
import { fishCompletion } from './fish.js';
import type { CompletionSpec, Shell } from './spec.js';
import { zshCompletion } from './zsh.js';

export { SHELLS } from './spec.js';
export type {
  CompletionCommand,
  CompletionOption,
  CompletionSpec,
  CompletionValue,
  Shell,
} from './spec.js';

/** The script that completes `attn-diff` in each shell. */
export const COMPLETIONS: Record<Shell, (spec: CompletionSpec) => string> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};
