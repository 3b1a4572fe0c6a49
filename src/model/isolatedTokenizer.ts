import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AttnDiffError } from '../errors.js';
import type { TextAnswer, TextCall } from './textProtocol.js';
import { LONGEST_STEP, type TextTokenizer, type TokenizerSource } from './tokenizer.js';

const CHILD = new URL('./textChild.js', import.meta.url);

/** Megabytes of objects that making tokens may take; the largest tokenizers take a third of it. */
const MOST_MEMORY = 700;
/** Seconds that reading a tokenizer may take, where the machine is busy with much else. */
const LONGEST_LOADING = 60;
/** A child gives up by itself; one that does not answer even then is ended. */
const GRACE = 5;

/** A tokenizer in a process of its own, which ends with `close`. */
export interface IsolatedTokenizer extends TextTokenizer {
  close(): void;
}

/**
 * Loads a tokenizer as {@link loadTokenizer} does, in a process of its own: patterns and templates come with a model, and
 * may use up time or memory, or bring the process down.
 *
 * @param memory megabytes that it may take
 * @throws AttnDiffError as loadTokenizer; tokenizer-unreadable and chat-template-unusable also for what takes too much
 */
export async function isolatedTokenizer(
  source: TokenizerSource,
  memory = MOST_MEMORY,
): Promise<IsolatedTokenizer> {
  const {
    tokenizerPath,
    folder,
    config: { vocabSize, padTokenId: pad, eosTokenId, modelType },
  } = source;
  const path = tokenizerPath ?? folder;
  const child = fork(CHILD, {
    execArgv: [`--max-old-space-size=${memory}`],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  // It may be busy for seconds when this process ends, and hear of that only then.
  const close = (): void => {
    process.off('exit', close);
    child.kill('SIGKILL');
  };
  process.on('exit', close);
  const ask = (
    call: TextCall,
    seconds: number,
    problem: (problem: string) => AttnDiffError,
  ): Promise<number | string | number[]> => answerOf(child, call, seconds, problem, memory);
  const tokenizerProblem = (problem: string): AttnDiffError =>
    new AttnDiffError('tokenizer-unreadable', { path, problem });
  const jinja = join(folder, 'chat_template.jinja');
  const templateProblem = (problem: string): AttnDiffError =>
    new AttnDiffError('chat-template-unusable', {
      path: existsSync(jinja) ? jinja : join(folder, 'tokenizer_config.json'),
      problem,
    });
  const encode = async (text: string, addsSpecials: boolean): Promise<number[]> =>
    (await ask(
      { do: 'encode', text, addsSpecials },
      LONGEST_STEP + GRACE,
      tokenizerProblem,
    )) as number[];
  try {
    const padTokenId = (await ask(
      {
        do: 'load',
        source: {
          tokenizerPath,
          folder,
          config: { vocabSize, padTokenId: pad, eosTokenId, modelType },
        },
      },
      LONGEST_LOADING,
      tokenizerProblem,
    )) as number;
    return {
      padTokenId,
      encode: (text) => encode(text, true),
      encodeChat: async (messages) =>
        encode(
          (await ask({ do: 'render', messages }, LONGEST_STEP + GRACE, templateProblem)) as string,
          false,
        ),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

async function answerOf(
  child: ChildProcess,
  call: TextCall,
  seconds: number,
  tooMuch: (problem: string) => AttnDiffError,
  memory: number,
): Promise<number | string | number[]> {
  const reply = await new Promise<TextAnswer>((resolve, reject) => {
    const timer = setTimeout(
      () => end(() => reject(tooMuch(`it takes longer than ${seconds} seconds`))),
      seconds * 1000,
    );
    const onExit = (): void =>
      end(() =>
        reject(
          tooMuch(`it takes more than ${memory} MB of memory, or ends the process that does it`),
        ),
      );
    const onError = (error: NodeJS.ErrnoException): void =>
      end(() =>
        reject(new AttnDiffError('runner-not-started', { problem: error.code ?? error.message })),
      );
    const onMessage = (answer: TextAnswer): void => end(() => resolve(answer));
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      child.off('exit', onExit).off('error', onError).off('message', onMessage);
      settle();
    };
    child.once('exit', onExit).once('error', onError).once('message', onMessage);
    if (child.exitCode !== null || child.signalCode !== null) onExit();
    else child.send(call, (error) => error && child.kill('SIGKILL'));
  });
  if (reply.ok) return reply.value;
  throw 'code' in reply ? new AttnDiffError(reply.code, reply.args) : tooMuch(reply.problem);
}
