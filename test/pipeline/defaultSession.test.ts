import * as ort from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { rebuildProbeBatch } from '../../src/batch/index.js';

import { makeAttribute } from '../../src/onnx/builder.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { encodeModel } from '../../src/onnx/read.js';
import { copyModel } from '../../src/onnx/rewrite.js';
import { agreement } from '../../src/pipeline/agreement.js';
import { modelFeeds } from '../../src/pipeline/feeds.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { checkRebuild } from '../../src/pipeline/rebuildCheck.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { fileRequest } from '../../src/runners/modelRequest.js';
import type { RebuildCheck, Tensors } from '../../src/types.js';
import { fixture } from '../support/fixtures.js';

const QUANTISED = [
  'qwen2-int8',
  'qwen2-qdq',
  'qwen2-q4',
  'qwen2-q4-asymmetric',
  'qwen2-q8',
  'qwen2-genai-int4-cpu',
  'qwen2-genai-int8-cpu',
  'qwen3-genai-int4-cpu',
];

const runner = inProcessRunner();

/** A form with MatMulNBits whose products round activations to 8 bits, as the genai builder and Olive ask for on CPUs. */
async function withAccuracy(form: string, level: number): Promise<LoadedModel> {
  const loaded = await loadModel(fixture('forms', form));
  const model = copyModel(loaded.graph.model);
  for (const node of model.graph!.node)
    if (node.opType === 'MatMulNBits')
      node.attribute = [
        ...node.attribute.filter(({ name }) => name !== 'accuracy_level'),
        makeAttribute('accuracy_level', BigInt(level)),
      ];
  return {
    ...loaded,
    graph: new OnnxGraph(model),
    unmodified: { bytes: encodeModel(model), folder: loaded.folder },
  };
}

const load = (form: string): Promise<LoadedModel> =>
  form.endsWith(' at accuracy_level 4')
    ? withAccuracy(form.split(' ')[0]!, 4)
    : loadModel(fixture('forms', form));

async function checked(loaded: LoadedModel): Promise<RebuildCheck> {
  return (await checkRebuild(loaded, await resolveSites(loaded, runner), runner)).check;
}

/** Logits of a session of ONNX Runtime's defaults: no option is set but that it keeps quiet, and where the data of bytes is. */
async function defaultLogits(
  { unmodified, logits, folder }: LoadedModel,
  feeds: Tensors,
): Promise<ArrayLike<number>> {
  const options: ort.InferenceSession.SessionOptions = {
    logSeverityLevel: 4,
    ...('path' in unmodified
      ? {}
      : { extra: { session: { model_external_initializers_file_folder_path: folder } } }),
  };
  const session = await ('path' in unmodified
    ? ort.InferenceSession.create(unmodified.path, options)
    : ort.InferenceSession.create(unmodified.bytes, options));
  const outputs = await session.run(
    Object.fromEntries(
      Object.entries(feeds).map(([name, { type, data, dims }]) => [
        name,
        new ort.Tensor(type, data as never, dims),
      ]),
    ),
  );
  await session.release();
  return outputs[logits!.name]!.data as Float32Array;
}

it.each([...QUANTISED, 'qwen2-q4 at accuracy_level 4', 'qwen2-optimum', 'qwen2-fp16'])(
  '%s: what `original` computes is what a session of defaults computes',
  async (form) => {
    const loaded = await load(form);
    const feeds = modelFeeds(
      loaded.inputs,
      loaded.sizes,
      rebuildProbeBatch(loaded.sizes.vocabSize, ['right']),
      1,
    );
    const session = await runner.open(fileRequest(loaded.unmodified, loaded.graph.graph), 'test');
    const compared = (await session.run(feeds))[loaded.logits!.name]!.data as Float32Array;
    await session.close();
    expect(
      agreement(compared, await defaultLogits(loaded, feeds)),
      'the session that the rebuild check compares with',
    ).toMatchObject({ identical: true, nonFinite: 0 });

    const { originalRelL2, originalLimit } = await checked(loaded);
    // fp16 rounds to 11 bits what a session of defaults, which computes it in float32, does not round; the caches of the last layer come to 9e-4.
    expect(originalRelL2).toBeLessThanOrEqual(form === 'qwen2-fp16' ? 2 ** -10 : 1e-6);
    expect(originalRelL2).toBeLessThanOrEqual(originalLimit);
  },
);
