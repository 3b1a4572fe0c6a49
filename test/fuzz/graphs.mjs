/**
 * Mutations of an ONNX graph. Each says whether what comes out is broken for certain, so that a run that passes on
 * it has said something false.
 */
import { DataLocation, DataType } from '../../dist/onnx/types.js';

const OPS = ['Identity', 'Add', 'MatMul', 'Softmax', 'Cast', 'Nope', 'Attention', 'If', 'Loop'];
const NAMES = [
  '',
  'a\nb',
  'x"y',
  '\u001b[2J',
  '\u202e',
  '=cmd',
  '::error::x',
  'x'.repeat(3000),
  '__proto__',
  'logits',
];

/** @returns whether the model is broken for certain */
export function mutateGraph(model, random) {
  const weights = model.graph.initializer.filter(
    ({ dataType, dims }) => dataType === DataType.FLOAT && dims.length === 2,
  );
  const [name, apply] = random.pick(MUTATIONS);
  return { name, broken: apply(model, random, weights) === true };
}

const MUTATIONS = [
  ['weight NaN', (_model, random, weights) => poison(random.pick(usedByAll(weights)), random, NaN)],
  [
    'weight Inf',
    (_model, random, weights) =>
      void poison(random.pick(weights), random, random.pick([Infinity, -Infinity])),
  ],
  [
    'weights zero',
    (model) =>
      model.graph.initializer
        .filter(({ dataType }) => dataType === DataType.FLOAT)
        .every((tensor) => tensor.rawData.fill(0)),
  ],
  [
    'weight bytes',
    (_model, random, weights) => {
      const { rawData } = random.pick(weights);
      for (let i = 0; i < 8; i++) rawData[random.below(rawData.length)] = random.below(256);
    },
  ],
  [
    'weight cut',
    (_model, random, weights) => {
      const tensor = random.pick(weights);
      tensor.rawData = tensor.rawData.subarray(0, random.below(tensor.rawData.length));
      return true;
    },
  ],
  [
    'weight shape',
    (_model, random, weights) => {
      const tensor = random.pick(weights);
      tensor.dims = random.pick([
        [],
        [0n, 4n],
        [-1n, 8n],
        [2n ** 40n, 2n ** 40n],
        [tensor.dims[1], tensor.dims[0]],
      ]);
    },
  ],
  [
    'weight type',
    (_model, random, weights) => void (random.pick(weights).dataType = random.integer(0, 30)),
  ],
  [
    'weight elsewhere',
    (_model, random, weights) => {
      const tensor = random.pick(weights);
      tensor.rawData = new Uint8Array();
      tensor.dataLocation = DataLocation.EXTERNAL;
      tensor.externalData = [
        ['location', random.pick(['../../etc/passwd', '/etc/passwd', 'nowhere', 'model.onnx', ''])],
        ['offset', random.pick(['0', '-1', '1e99', '4096'])],
        ['length', random.pick(['8', '-8', '99999999999'])],
      ].map(([key, value]) => ({ $typeName: 'onnx.StringStringEntryProto', key, value }));
    },
  ],
  [
    'node gone',
    (model, random) => void model.graph.node.splice(random.below(model.graph.node.length), 1),
  ],
  ['node twice', (model, random) => void model.graph.node.push(random.pick(model.graph.node))],
  [
    'node renamed',
    (model, random) => void (random.pick(model.graph.node).name = random.pick(NAMES)),
  ],
  [
    'tensor renamed',
    (model, random) => {
      const [from, to] = [random.pick(model.graph.node).output[0], random.pick(NAMES)];
      for (const node of model.graph.node)
        for (const list of [node.input, node.output])
          list.forEach((name, i) => name === from && (list[i] = to));
    },
  ],
  ['operator', (model, random) => void (random.pick(model.graph.node).opType = random.pick(OPS))],
  [
    'domain',
    (model, random) =>
      void (random.pick(model.graph.node).domain = random.pick([
        'com.microsoft',
        'x',
        'ai.onnx',
        'a\nb',
      ])),
  ],
  ['inputs swapped', (model, random) => reverse(random.pick(model.graph.node).input)],
  [
    'input elsewhere',
    (model, random) => {
      const node = random.pick(model.graph.node);
      if (node.input.length > 0)
        node.input[random.below(node.input.length)] = random.pick(model.graph.node).output[0];
    },
  ],
  ['input gone', (model, random) => void random.pick(model.graph.node).input.splice(0, 1)],
  [
    'attribute',
    (model, random) => {
      const node = random.pick(model.graph.node.filter(({ attribute }) => attribute.length > 0));
      const attribute = random.pick(node.attribute);
      attribute.i = random.pick([-1n, 0n, 99n, 2n ** 62n]);
      attribute.f = random.pick([NaN, Infinity, -1, 1e38]);
    },
  ],
  [
    'attribute gone',
    (model, random) =>
      void random
        .pick(model.graph.node.filter(({ attribute }) => attribute.length > 0))
        .attribute.pop(),
  ],
  [
    'opset',
    (model, random) =>
      void (model.opsetImport[0].version = random.pick([
        -1n,
        0n,
        1n,
        11n,
        13n,
        23n,
        99n,
        2n ** 40n,
      ])),
  ],
  [
    'inputs of the graph',
    (model, random) =>
      void random.pick([
        () => model.graph.input.pop(),
        () => reverse(model.graph.input),
        () =>
          model.graph.input.length > 0 &&
          (random.pick(model.graph.input).name = random.pick(NAMES)),
      ])(),
  ],
  [
    'outputs of the graph',
    (model, random) =>
      void random.pick([
        () => model.graph.output.pop(),
        () => model.graph.output.push(model.graph.output[0]),
        () =>
          model.graph.output.length > 0 &&
          (model.graph.output[0].name = random.pick(model.graph.node).output[0]),
      ])(),
  ],
  ['nodes reversed', (model) => reverse(model.graph.node)],
  [
    'nested',
    (model, random) => {
      let inner = { ...model.graph, node: [], input: [], initializer: [], valueInfo: [] };
      for (let level = 0; level < random.pick([3, 200]); level++) {
        const attribute = {
          ...model.graph.node.find((node) => node.attribute.length > 0).attribute[0],
          name: 'then_branch',
          type: 5,
          g: inner,
        };
        inner = {
          ...inner,
          node: [{ ...model.graph.node[0], opType: 'If', attribute: [attribute] }],
        };
      }
      model.graph.node.push(...inner.node);
    },
  ],
];

/** Every token goes through these, whatever the prompt: all matrices of the layers and the head, but not the embedding. */
function usedByAll(weights) {
  return weights.filter(({ dims }) => Number(dims[0]) === 16);
}

function poison(tensor, random, value) {
  const bytes = Uint8Array.from(tensor.rawData);
  new DataView(bytes.buffer).setFloat32(random.below(bytes.length / 4) * 4, value, true);
  tensor.rawData = bytes;
  return true;
}

function reverse(list) {
  list.splice(0, list.length, ...list.toReversed());
}
