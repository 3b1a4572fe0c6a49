import { processMemory } from './memory.js';
import { openOrtSession } from './ort.js';
import { faultOf, INTERRUPTIONS, type Answer, type Request } from './protocol.js';
import type { ProviderName } from '../types.js';
import type { Session } from './types.js';

/** What the child process of childRunner does: opens and runs sessions as the host asks, and ends with it. */
const [scratch, provider] = process.argv.slice(2) as [string, ProviderName];
const sessions = new Map<number, Session>();
let queue = Promise.resolve();

function session(id: number): Session {
  const found = sessions.get(id);
  if (!found) throw new Error(`no session ${id}`);
  return found;
}

async function answer(message: Request): Promise<Answer> {
  const { id } = message;
  switch (message.do) {
    case 'open':
      sessions.set(id, await openOrtSession(message.request, scratch, provider));
      return { id, ok: true, session: id };
    case 'run':
      return { id, ok: true, tensors: await session(message.session).run(message.feeds) };
    case 'measure':
      return {
        id,
        ok: true,
        milliseconds: await session(message.session).measure(message.feeds, message.outputs),
      };
    case 'memory':
      return { id, ok: true, memory: processMemory() };
    case 'executed':
      return { id, ok: true, nodes: await session(message.session).executed() };
    case 'close':
      await session(message.session).close();
      sessions.delete(message.session);
      return { id, ok: true };
  }
}

process.on('message', (message: Request) => {
  queue = queue.then(async () => {
    let reply: Answer;
    try {
      reply = await answer(message);
    } catch (error) {
      reply = { id: message.id, ok: false, ...faultOf(error) };
    }
    process.send?.(reply);
  });
});
process.on('disconnect', () => process.exit());
// The host decides what an interruption means; a terminal sends it to both.
for (const signal of INTERRUPTIONS) process.on(signal, () => undefined);
