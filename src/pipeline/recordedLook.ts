import { isDeepStrictEqual } from 'node:util';
import { AttnDiffError } from '../errors.js';
import type { Answers } from '../types.js';
import type { SecondLook } from './secondLook.js';

interface Known<Q, A> {
  asked: Q;
  answer: A;
}

/** A second look that keeps what it was asked and what it answered, and is asked nothing twice. */
export function recorded(look: SecondLook): { look: SecondLook; answers: Answers } {
  const answers: Answers = { origins: [], nodes: [], causes: [] };
  const remember = async <Q, A>(
    known: Known<Q, A>[],
    asked: Q,
    ask: () => Promise<A>,
  ): Promise<A> => {
    const found = find(known, asked);
    if (found) return found.answer;
    const answer = await ask();
    known.push({ asked, answer });
    return answer;
  };
  return {
    answers,
    look: {
      origin: (asked) => remember(answers.origins, asked, () => look.origin(asked)),
      nodes: (asked) => remember(answers.nodes, asked, () => look.nodes(asked)),
      cause: (asked, rows) => remember(answers.causes, asked, () => look.cause(asked, rows)),
    },
  };
}

/**
 * A second look that has been taken: each question is answered as it was in the part that has its batch.
 *
 * @param partOf the file of that part, and what was answered there
 * @throws AttnDiffError merge-unanswered, where something is asked that was not asked there
 */
export function replayed(
  partOf: (batch: string) => { path: string; answers: Answers },
): SecondLook {
  const answerOf = async <Q extends { batch: string; implementation: string }, A>(
    asked: Q,
    list: (answers: Answers) => Known<Q, A>[],
  ): Promise<A> => {
    const { path, answers } = partOf(asked.batch);
    const found = find(list(answers), asked);
    if (!found)
      throw new AttnDiffError('merge-unanswered', {
        path,
        implementation: asked.implementation,
        batch: asked.batch,
      });
    return found.answer;
  };
  return {
    origin: (asked) => answerOf(asked, ({ origins }) => origins),
    nodes: (asked) => answerOf(asked, ({ nodes }) => nodes),
    cause: (asked) => answerOf(asked, ({ causes }) => causes),
  };
}

function find<Q, A>(known: readonly Known<Q, A>[], asked: Q): Known<Q, A> | undefined {
  return known.find((each) => isDeepStrictEqual(each.asked, asked));
}
