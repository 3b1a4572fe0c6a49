import { AttnDiffError } from '../errors.js';
import type { TextAnswer, TextCall } from './textProtocol.js';
import { openTokenizer, type TokenizerSteps } from './tokenizer.js';

// What the child process of isolatedTokenizer does: what the tokenizer and the chat template of a stranger ask for.
let steps: TokenizerSteps | undefined;

async function answer(call: TextCall): Promise<number | string | number[]> {
  if (call.do === 'load') {
    steps = await openTokenizer(call.source);
    return steps.padTokenId;
  }
  return call.do === 'render'
    ? steps!.render(call.messages)
    : steps!.encode(call.text, call.addsSpecials);
}

function problemOf(error: unknown): TextAnswer {
  if (error instanceof AttnDiffError) return { ok: false, code: error.code, args: error.args };
  return { ok: false, problem: error instanceof Error ? error.message : String(error) };
}

process.on('message', (call: TextCall) => {
  void answer(call)
    .then((value): TextAnswer => ({ ok: true, value }), problemOf)
    .then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
// The host decides what an interruption means; a terminal sends it to both.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
