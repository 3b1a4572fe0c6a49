import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import './noTelemetry.js';
import * as ort from 'onnxruntime-node';
import type { ProviderName } from '../types.js';
import { temporaryError } from '../files/scratch.js';
import { executedNodes } from './profile.js';
import { fromOrt, toOrt } from './tensors.js';
import type { ExecutedNode, Session, SessionRequest } from './types.js';

/** ONNX Runtime's optimizers that join nodes of attention with each other, or with what is beside them. */
const ATTENTION_FUSIONS = [
  'MatMulScaleFusion',
  'MatmulTransposeFusion',
  'BiasSoftmaxFusion',
  'AttentionFusion',
  'GroupQueryAttentionFusion',
];

/**
 * Opens a model with ONNX Runtime in this process. `run` blocks the event loop. Nodes that the provider has no kernel
 * for run on the CPU provider; a profile tells which.
 *
 * Prepacking is off unless asked for, so that external weights stay backed by their file instead of being copied;
 * optimisation is `basic` unless asked for otherwise, which keeps MatMul, Add and Softmax apart: the operators that the
 * report names are those that run.
 *
 * @param scratch the folder that a profile is written to and removed from
 * @throws Error of ONNX Runtime
 */
export async function openOrtSession(
  request: SessionRequest,
  scratch: string,
  provider: ProviderName = 'cpu',
): Promise<Session> {
  const profilePrefix = request.profile ? join(scratch, `attn-diff-${randomUUID()}`) : undefined;
  const session: Record<string, string> = request.prepack ? {} : { disable_prepacking: '1' };
  if ('bytes' in request.model)
    session['model_external_initializers_file_folder_path'] = request.model.folder;
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: [provider],
    graphOptimizationLevel:
      request.fuse === undefined || request.fuse === 'nothing' ? 'basic' : 'all',
    logSeverityLevel: 4,
    extra: {
      session,
      ...(request.fuse === 'outside-attention'
        ? { optimization: { disable_specified_optimizers: ATTENTION_FUSIONS.join(';') } }
        : {}),
    },
    ...(profilePrefix ? { enableProfiling: true, profileFilePrefix: profilePrefix } : {}),
  };
  const { model } = request;
  const create =
    'path' in model
      ? ort.InferenceSession.create(model.path, options)
      : ort.InferenceSession.create(model.bytes, options);
  const inference = await create.catch(async (error: unknown) => {
    // A model that is refused leaves a profile with nothing in it.
    if (profilePrefix) await removeProfile(scratch, basename(profilePrefix));
    throw error;
  });
  let isRead = false;
  const executed = async (): Promise<ExecutedNode[]> => {
    if (!profilePrefix || isRead) return [];
    isRead = true;
    inference.endProfiling();
    return readProfile(scratch, basename(profilePrefix));
  };
  return {
    run: async (feeds) => fromOrt(await inference.run(toOrt(feeds))),
    measure: async (feeds, outputs) => {
      const tensors = toOrt(feeds);
      // What the pass before left must be cleared away before this one, not during it.
      globalThis.gc?.();
      const from = performance.now();
      await inference.run(tensors, outputs);
      return performance.now() - from;
    },
    executed,
    close: async () => {
      // A profile that nobody asked for must not stay behind.
      await executed();
      await inference.release();
    },
  };
}

/** ONNX Runtime appends a timestamp to the prefix, so the file has to be looked for. */
async function profileFiles(folder: string, prefix: string): Promise<string[]> {
  return (await readdir(folder))
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(folder, name));
}

async function removeProfile(folder: string, prefix: string): Promise<void> {
  for (const file of await profileFiles(folder, prefix)) await rm(file, { force: true });
}

async function readProfile(folder: string, prefix: string): Promise<ExecutedNode[]> {
  try {
    const files = await profileFiles(folder, prefix);
    if (files.length === 0)
      throw temporaryError(new Error('ONNX Runtime could not write a profile there'));
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    return executedNodes(texts.flatMap(eventsIn));
  } finally {
    await removeProfile(folder, prefix);
  }
}

/** ONNX Runtime does not say where it could not write a profile to its end. */
function eventsIn(text: string): unknown[] {
  if (!/\]\s*$/.test(text))
    throw temporaryError(
      new Error('a profile of ONNX Runtime was cut off there: the disk may be full'),
    );
  return JSON.parse(text) as unknown[];
}
