import { isDeepStrictEqual } from 'node:util';
import type { Answers } from '../types.js';
import type { SecondLook } from './secondLook.js';

/** A second look that keeps what it was asked and what it answered, and is asked nothing twice. */
export function recorded(look: SecondLook): { look: SecondLook; answers: Answers } {
  const answers: Answers = { origins: [], nodes: [], causes: [] };
  return {
    answers,
    look: {
      origin: (asked) => remembered(answers.origins, asked, () => look.origin(asked)),
      nodes: (asked) => remembered(answers.nodes, asked, () => look.nodes(asked)),
      cause: (asked, rows) => remembered(answers.causes, asked, () => look.cause(asked, rows)),
    },
  };
}

async function remembered<Q, A>(known: { asked: Q; answer: A }[], asked: Q, ask: () => Promise<A>): Promise<A> {
  const found = known.find((each) => isDeepStrictEqual(each.asked, asked));
  if (found) return found.answer;
  const answer = await ask();
  known.push({ asked, answer });
  return answer;
}
