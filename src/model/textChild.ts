import type { TextAnswer } from './textProtocol.js';

// The child process of isolatedTokenizer. What fails while its modules load is told to the host, which would else take
// it for a fault of the tokenizer.
import('./textWork.js').catch((error: unknown) => {
  const problem = error instanceof Error ? error.message : String(error);
  const answer: TextAnswer = { ok: false, code: 'runner-not-started', args: { problem } };
  process.send?.(answer, () => process.exit());
});
