import { faultOf, NOT_STARTED, type Answer } from './protocol.js';

// The child process of childRunner. What fails while its modules load is told to the host, which would else see an
// exit code that says nothing.
import('./serve.js').catch((error: unknown) => {
  const answer: Answer = { id: NOT_STARTED, ok: false, ...faultOf(error) };
  process.send?.(answer, () => process.exit());
});
