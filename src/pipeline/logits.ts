import { headSplit } from '../head/split.js';
import { maskProbeBatch } from '../batch/index.js';
import { makeValueInfo } from '../onnx/builder.js';
import { OnnxGraph } from '../onnx/graph.js';
import { extract } from '../onnx/rewrite.js';
import { DataType, type ModelProto } from '../onnx/types.js';
import type { Runner } from '../runners/types.js';
import type { Batch, LogitsInfo, LogitsTokens, TensorData } from '../types.js';
import { modelFeeds } from './feeds.js';
import type { LoadedModel } from './load.js';
import { runOnce } from './once.js';

/** The predictions that a model makes. */
export interface Predictions {
  /** Null where the file has no logits, or has them of tokens that cannot be told. */
  logits: LogitsInfo | null;
  /** The tokens of a batch that have logits, as places in [size·length]; null for all. */
  tokensOf(batch: Batch): Promise<Int32Array | null>;
}

const PROBE_LENGTH = 12;
const NONE: Predictions = { logits: null, tokensOf: () => Promise.resolve(null) };
/** Above this, what selects logits is evaluated on tokens of one element. */
const MOST_ELEMENTS = 2 ** 24;

/** A part of the graph that selects tokens. */
interface Selection {
  model: ModelProto;
  from: string;
  to: string;
  width: number;
}

/**
 * Finds which tokens have logits: where nodes select some before the head or behind it, by running those nodes on the
 * tokens' own numbers in place of their hidden states. No weight takes part.
 *
 * @throws AttnDiffError execution-failed, graph-not-supported
 */
export async function resolveLogits(
  loaded: Pick<LoadedModel, 'graph' | 'logits' | 'sizes' | 'folder' | 'inputs' | 'fixed'>,
  runner: Runner,
): Promise<Predictions> {
  const { graph, logits, sizes } = loaded;
  if (logits === null) return NONE;
  const info = (tokens: LogitsTokens): LogitsInfo => ({
    output: logits.name,
    width: logits.width,
    tokens,
  });
  const { cut, entering, unselected } = headSplit(graph, logits.name);
  const selections = [
    ...(cut === entering ? [] : [selectionOf(graph, cut, entering, sizes.hiddenSize)]),
    ...(unselected === logits.name
      ? []
      : [selectionOf(graph, unselected, logits.name, logits.width)]),
  ];
  if (selections.length === 0) return { ...NONE, logits: info('all') };
  const tokensOf = async (batch: Batch): Promise<Int32Array | null> => {
    let tokens: Int32Array = Int32Array.from(
      { length: batch.size * batch.length },
      (_, token) => token,
    );
    for (const selection of selections)
      tokens = await selectedOf(tokens, selection, batch, loaded, runner);
    return tokens.length === batch.size * batch.length && tokens.every((token, i) => token === i)
      ? null
      : tokens;
  };
  const probe = maskProbeBatch(loaded.fixed.length ?? PROBE_LENGTH);
  const found = await tokensOf(probe);
  if (found?.some((token) => !Number.isInteger(token) || token < 0)) return NONE;
  return {
    logits: info(found === null ? 'all' : isLast(found, probe) ? 'last' : 'some'),
    tokensOf,
  };
}

function selectionOf(graph: OnnxGraph, from: string, to: string, width: number): Selection {
  return {
    from,
    to,
    width,
    model: extract(
      graph,
      [{ name: to, type: DataType.UNDEFINED }],
      new Map([[from, makeValueInfo(from, DataType.FLOAT)]]),
    ),
  };
}

/** Which of some tokens, of which each row of the batch has as many, a selection leaves; −1 for what is no token. */
async function selectedOf(
  tokens: Int32Array,
  { model, from, to, width }: Selection,
  batch: Batch,
  { sizes, folder, inputs: all }: Pick<LoadedModel, 'sizes' | 'folder' | 'inputs'>,
  runner: Runner,
): Promise<Int32Array> {
  const elements = tokens.length * width > MOST_ELEMENTS ? 1 : width;
  const numbers: TensorData = {
    type: 'float32',
    dims: [batch.size, tokens.length / batch.size, elements],
    data: new Float32Array(tokens.length * elements),
  };
  (numbers.data as Float32Array).forEach(
    (_, i, data) => (data[i] = tokens[Math.floor(i / elements)]!),
  );
  const part = new OnnxGraph(model);
  const inputs = all.filter(({ name }) => name !== from && part.inputs.has(name));
  const outputs = await runOnce(
    runner,
    model,
    { ...modelFeeds(inputs, sizes, batch, 1), [from]: numbers },
    'finding the tokens that have logits',
    folder,
  );
  const chosen = outputs[to]!.data as Float32Array;
  return Int32Array.from({ length: Math.ceil(chosen.length / elements) }, (_, row) => {
    const own = chosen.subarray(row * elements, (row + 1) * elements);
    return own.length === elements && own.every((value) => value === own[0]) ? own[0]! : -1;
  });
}

/** Whether each row has its last column alone, or its last valid token alone. */
function isLast(tokens: Int32Array, { size, length }: Batch): boolean {
  // The probe is padded on the left, so that the two are the same.
  return tokens.length === size && tokens.every((token, row) => token === (row + 1) * length - 1);
}
