import { GraphBuilder, makeValueInfo } from './builder.js';
import { elementTypes } from './elementType.js';
import { OnnxGraph } from './graph.js';
import { modelInputs, type TensorInfo } from './inputs.js';
import { replaceUses, sortNodes } from './rewrite.js';
import { DataType, type ModelProto, type TensorProto } from './types.js';

const FLOATS: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.BFLOAT16]);
const EMBEDDING = /embed|wte/i;
const IDS = 'input_ids';

/** What a graph's embedding is like. */
export interface EmbeddingSizes {
  vocabSize: number;
  hiddenSize: number;
  /** Whether the head's weights are the embedding's. */
  tied: boolean;
}

/** What was grafted onto a graph. */
export interface Graft {
  /** The input that is now computed. */
  input: TensorInfo;
  /** The weights that it is looked up in. */
  table: string;
}

/**
 * Has a graph that takes embeddings take token ids instead: looks their rows up in the weights that the file has, in
 * place. A look-up changes no number.
 *
 * @returns null where the graph takes token ids, or has no weights that are an embedding for sure
 */
export function graftEmbedding(model: ModelProto, sizes: EmbeddingSizes): Graft | null {
  const graph = model.graph!;
  const index = new OnnxGraph(model);
  const inputs = modelInputs(index);
  const [input, ...others] = inputs.filter(
    ({ name, type, shape }) =>
      FLOATS.has(type) &&
      shape.length === 3 &&
      (shape[2] === sizes.hiddenSize || name === 'inputs_embeds'),
  );
  if (!input || others.length > 0 || index.names().has(IDS)) return null;
  const table = tableOf(graph.initializer, sizes);
  if (!table) return null;
  const builder = new GraphBuilder(graph, index.names());
  builder.within('embedding', () => {
    const rows = isVocabularyFirst(table, sizes)
      ? builder.op('Gather', [table.name, IDS])
      : builder.transpose(builder.op('Gather', [table.name, IDS], { axis: 1n }), 1, 2, 0);
    const type = elementTypes(index)(input.name);
    replaceUses(graph.node, input.name, table.dataType === type ? rows : builder.cast(rows, type));
  });
  const dims = input.shape.slice(0, 2).map((dim, axis) => dim ?? ['batch', 'sequence'][axis]!);
  graph.input = graph.input.map((value) =>
    value.name === input.name ? makeValueInfo(IDS, DataType.INT64, dims) : value,
  );
  graph.node.push(...builder.nodes);
  sortNodes(graph);
  return { input, table: table.name };
}

/** Weights of the vocabulary's size that are called an embedding, or the head's where the two are one. */
function tableOf(initializers: readonly TensorProto[], sizes: EmbeddingSizes): TensorProto | null {
  const fitting = initializers.filter(
    (tensor) =>
      FLOATS.has(tensor.dataType) &&
      (isVocabularyFirst(tensor, sizes) || isVocabularyLast(tensor, sizes)),
  );
  const named = fitting.filter(
    (tensor) => EMBEDDING.test(tensor.name) && isVocabularyFirst(tensor, sizes),
  );
  const found = named.length > 0 ? named : sizes.tied ? fitting : [];
  return found.length === 1 ? found[0]! : null;
}

function isVocabularyFirst(
  { dims }: TensorProto,
  { vocabSize, hiddenSize }: EmbeddingSizes,
): boolean {
  return dims.length === 2 && Number(dims[0]) >= vocabSize && Number(dims[1]) === hiddenSize;
}

function isVocabularyLast(
  { dims }: TensorProto,
  { vocabSize, hiddenSize }: EmbeddingSizes,
): boolean {
  return dims.length === 2 && Number(dims[1]) >= vocabSize && Number(dims[0]) === hiddenSize;
}
