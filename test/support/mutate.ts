import { makeAttribute, GraphBuilder } from '../../src/onnx/builder.js';
import { attribute, isOp, OnnxGraph } from '../../src/onnx/graph.js';
import { copyModel, replaceUses, sortNodes, withFields } from '../../src/onnx/rewrite.js';
import { DataType, type ModelProto, type NodeProto } from '../../src/onnx/types.js';
import { recogniseSites } from '../../src/attention/recognise/index.js';
import type { AttentionSite } from '../../src/attention/site.js';
import { AttributeProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { makeTensor } from '../../src/onnx/tensor.js';

export interface Mutation {
  name: string;
  /** Changes one layer of a model; false where this form of attention has nothing of the kind. */
  apply(model: ModelProto, site: AttentionSite, random: () => number): boolean;
}

/** Puts nodes between a tensor and one of its readers. */
export function insert(
  model: ModelProto,
  tensor: string,
  reader: NodeProto,
  build: (builder: GraphBuilder) => string,
): void {
  const builder = new GraphBuilder(model.graph!, new OnnxGraph(model).names());
  const replaced = build(builder);
  replaceUses([reader], tensor, replaced);
  model.graph!.node.push(...builder.nodes);
  sortNodes(model.graph!);
}

export function producerOf(model: ModelProto, tensor: string): NodeProto | undefined {
  return model.graph!.node.find(({ output }) => output.includes(tensor));
}

/** The node that adds, or takes, the mask. */
function maskReader(model: ModelProto, site: AttentionSite): NodeProto {
  const mask = site.mask.kind === 'tensor' ? site.mask.tensor : '';
  return model.graph!.node.find(
    (node) =>
      node.input.includes(mask) &&
      (isOp(node, 'Attention')
        ? node.name === site.core.name
        : node.opType === 'Add' && site.core.input[0] === node.output[0]),
  )!;
}

const between = (random: () => number, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1));

export const MUTATIONS: Mutation[] = [
  {
    name: 'scale',
    apply: (model, site, random) => {
      const factor = random() < 0.5 ? 1.01 : 0.9 + random() * 0.2;
      if (isOp(site.core, 'Attention')) {
        const node = model.graph!.node.find(({ name }) => name === site.core.name)!;
        node.attribute = node.attribute.map((item) =>
          item.name === 'scale'
            ? withFields(AttributeProtoSchema, item, { f: item.f * factor })
            : item,
        );
        return true;
      }
      const { tensor } = site.scaleFactors[0]!;
      const constant = producerOf(model, tensor)!;
      const value = attribute(constant, 'value')!;
      const scaled = makeTensor(
        '',
        'float32',
        [new OnnxGraph(model).values(tensor)![0]! * factor],
        [],
      );
      constant.attribute = [
        withFields(AttributeProtoSchema, value, {
          t: withFields(TensorProtoSchema, scaled, { dims: value.t!.dims }),
        }),
      ];
      return true;
    },
  },
  {
    name: 'mask dropped',
    apply: (model, site) => {
      const reader = maskReader(model, site);
      if (isOp(reader, 'Attention')) reader.input[3] = '';
      else
        Object.assign(reader, {
          opType: 'Identity',
          input: [
            reader.input.find((name) => site.mask.kind === 'tensor' && name !== site.mask.tensor)!,
          ],
        });
      return true;
    },
  },
  {
    name: 'mask of zeros',
    apply: (model, site) => {
      if (site.mask.kind !== 'tensor' || site.form !== 'decomposed') return false;
      const { tensor: mask } = site.mask;
      insert(model, mask, maskReader(model, site), (builder) =>
        builder.op('Expand', [builder.float(0), builder.op('Shape', [mask])]),
      );
      return true;
    },
  },
  {
    name: 'window',
    apply: (model, site, random) => {
      if (site.mask.kind !== 'tensor') return false;
      const { tensor } = site.mask;
      const window = between(random, 1, 22);
      insert(model, tensor, maskReader(model, site), (builder) => {
        if (site.form !== 'decomposed') {
          const kept = builder.op(
            'Trilu',
            [builder.cast(tensor, DataType.INT64), builder.int(1 - window)],
            { upper: 1n },
          );
          return builder.cast(kept, DataType.BOOL);
        }
        // 1 below the window, 0 inside it.
        const ones = builder.op('Expand', [builder.float(1), builder.op('Shape', [tensor])]);
        const outside = builder.op('Trilu', [ones, builder.int(-window)], { upper: 0n });
        return builder.op('Where', [
          builder.cast(outside, DataType.BOOL),
          builder.float(-3.4028234663852886e38),
          tensor,
        ]);
      });
      return true;
    },
  },
  {
    name: 'one mask cell',
    apply: (model, site, random) => {
      if (site.mask.kind !== 'tensor' || site.form !== 'decomposed') return false;
      const { tensor } = site.mask;
      const query = between(random, 0, 19);
      const key = between(random, 0, 19);
      insert(model, tensor, maskReader(model, site), (builder) => {
        const at = (axis: number, index: number): string => {
          const length = builder.op('Gather', [builder.op('Shape', [tensor]), builder.int(axis)], {
            axis: 0n,
          });
          return builder.op('Equal', [
            builder.op('Range', [builder.int(0), length, builder.int(1)]),
            builder.int(index),
          ]);
        };
        const cell = builder.op('And', [
          builder.op('Unsqueeze', [at(2, query), builder.ints(1)]),
          at(3, key),
        ]);
        return builder.op('Where', [
          cell,
          builder.float(random() < 0.5 ? 0 : -3.4028234663852886e38),
          tensor,
        ]);
      });
      return true;
    },
  },
  {
    name: 'query heads swapped',
    apply: (model, site, random) => {
      if (site.qkv.kind !== 'heads') return false;
      const order = [
        [1, 0, 2, 3],
        [0, 2, 1, 3],
        [3, 1, 2, 0],
      ][between(random, 0, 2)]!;
      const { query } = site.qkv;
      const reader = model.graph!.node.find(
        (node) => node.input.includes(query) && node.opType !== 'Shape',
      )!;
      insert(model, query, reader, (builder) =>
        builder.op('Gather', [query, builder.ints(...order)], { axis: 1n }),
      );
      return true;
    },
  },
  {
    name: 'key heads repeated in another order',
    apply: (model, site, random) => {
      if (site.qkv.kind !== 'heads') return false;
      const { key } = site.qkv;
      const reader = model.graph!.node.find(
        (node) => node.input.includes(key) && node.opType === 'Unsqueeze',
      );
      const expand =
        reader &&
        model.graph!.node.find(
          (node) => node.input[0] === reader.output[0] && node.opType === 'Expand',
        );
      const reshape =
        expand &&
        model.graph!.node.find(
          (node) => node.input[0] === expand.output[0] && node.opType === 'Reshape',
        );
      const next =
        reshape &&
        model.graph!.node.find(
          (node) => node.input.includes(reshape.output[0]!) && node.opType !== 'Shape',
        );
      if (!next) return false;
      const order = [
        [0, 2, 1, 3],
        [2, 3, 0, 1],
        [0, 1, 3, 2],
      ][between(random, 0, 2)]!;
      insert(model, reshape.output[0]!, next, (builder) =>
        builder.op('Gather', [reshape.output[0]!, builder.ints(...order)], { axis: 1n }),
      );
      return true;
    },
  },
  {
    name: 'values scaled',
    apply: (model, site, random) => {
      const matmul = model.graph!.node.find(({ output }) => output[0] === site.output)!;
      const value = isOp(matmul, 'Attention') ? matmul.input[2]! : matmul.input[1]!;
      insert(model, value, matmul, (builder) =>
        builder.op('Mul', [value, builder.float(1 + random() * 0.02)]),
      );
      return true;
    },
  },
  {
    name: 'probabilities changed',
    apply: (model, site, random) => {
      if (site.form !== 'decomposed') return false;
      const [softmax] = site.core.output as [string];
      const reader = model.graph!.node.find(
        (node) => node.input.includes(softmax) && node.opType !== 'IsNaN',
      )!;
      const kind = between(random, 0, 2);
      insert(model, softmax, reader, (builder) =>
        kind === 0
          ? builder.op('Mul', [softmax, builder.float(0.999)])
          : kind === 1
            ? builder.op('Identity', [
                builder.op('Clip', [softmax, builder.float(0), builder.float(0.9)]),
              ])
            : builder.op('Identity', [softmax]),
      );
      return true;
    },
  },
  {
    name: 'softcap on the operator',
    apply: (model, site) => {
      if (site.form !== 'onnx-attention') return false;
      const node = model.graph!.node.find(({ name }) => name === site.core.name)!;
      node.attribute = [
        ...node.attribute.filter(({ name }) => name !== 'softcap'),
        makeAttribute('softcap', 5),
      ];
      return true;
    },
  },
];

/** A copy of a model with one mutation in one layer; null where the mutation does not apply to this form. */
export function mutate(
  model: ModelProto,
  mutation: Mutation,
  random: () => number,
): ModelProto | null {
  const copy = copyModel(model);
  const sites = recogniseSites(new OnnxGraph(copy), 4, 'model.onnx');
  return mutation.apply(copy, sites[between(random, 0, 3)]!, random) ? copy : null;
}
