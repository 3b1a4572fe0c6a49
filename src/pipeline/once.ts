import type { ModelProto } from '../onnx/types.js';
import { modelRequest } from '../runners/modelRequest.js';
import type { Runner, Session, SessionRequest } from '../runners/types.js';
import type { Tensors } from '../types.js';

/**
 * Does some work in a session that is closed afterwards, whatever comes of it.
 *
 * @throws AttnDiffError execution-failed, runner-crashed, timed-out; whatever the work throws
 */
export async function inSession<T>(
  runner: Runner,
  request: SessionRequest,
  stage: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await runner.open(request, stage);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

/**
 * Runs a model once.
 *
 * @param feeds those that are no inputs of the model are left out
 * @param folder that external data is relative to; '.' where the model has none
 * @throws AttnDiffError execution-failed, runner-crashed, timed-out
 */
export async function runOnce(
  runner: Runner,
  model: ModelProto,
  feeds: Tensors,
  stage: string,
  folder = '.',
): Promise<Tensors> {
  const read = new Set(model.graph!.input.map(({ name }) => name));
  const own = Object.fromEntries(Object.entries(feeds).filter(([name]) => read.has(name)));
  return inSession(runner, modelRequest(model, folder), stage, (session) => session.run(own));
}
