import { GraphBuilder, makeValueInfo } from '../../onnx/builder.js';
import { isMicrosoftOp, isOp, OnnxGraph } from '../../onnx/graph.js';
import { raiseOpset } from '../../onnx/opset.js';
import { copyModel, extract, sortNodes } from '../../onnx/rewrite.js';
import { DataType, type ModelProto, type NodeProto } from '../../onnx/types.js';
import type { TensorData, Tensors } from '../../types.js';
import type { Sizes } from '../evaluate.js';
import { buildQkv, UNFOLD_OPSET } from '../qkv.js';
import type { AttentionSite, QkvSource } from '../site.js';
import type { StreamNorm } from './norms.js';
import { noProbe, probe, probeByHead, PROBE_ROWS, PROBE_TOKENS } from './probeRows.js';
import type { Bias, Projection, Projections } from './projections.js';

/** The projections around one site; null where there is not exactly one. */
export interface SiteProjections {
  query: Projection | null;
  key: Projection | null;
  value: Projection | null;
  output: Projection | null;
  /** What is added behind the projections; left out of the part, where it would drown the probe. */
  biases: Record<Role, readonly Bias[]>;
}

const ROLES = ['query', 'key', 'value'] as const;
export type Role = (typeof ROLES)[number];

/** A part of a model without its weights, fed with probes where it was cut off. */
export interface Part {
  model: ModelProto;
  /** For the inputs that are not the model's own. */
  feeds: Tensors;
}

/** Names of the outputs that carry a site's tensors: Q, K, V [rows, heads, tokens, D], and what enters the output projection [rows, tokens, H·D]. */
export interface SiteOutputs {
  layer: number;
  query: string | null;
  key: string | null;
  value: string | null;
  output: string | null;
  /** The constants that are added behind each projection. */
  biases: Record<Role, readonly string[]>;
}

const POSITIONS = 'attn_diff/probe/positions';

/** The part of a model between the projections of some layers and their attention, and behind it to the output projection. */
export function headsPart(
  projections: Projections,
  sites: readonly AttentionSite[],
  around: (site: AttentionSite) => SiteProjections,
  sizes: Sizes,
): Part & { outputs: SiteOutputs[] } {
  const cuts = commonCuts(projections, sizes);
  for (const site of sites) {
    const { query, key, value } = around(site);
    for (const projection of [query, key, value]) {
      if (projection) cuts.set(projection.input, ['none', noProbe(sizes.hiddenSize)]);
    }
    for (const projection of [query, key, value]) {
      if (projection?.width) cuts.set(projection.output, ['probe', probe(projection.width)]);
    }
    cuts.set(
      site.output,
      site.outputFlat
        ? ['flat', probe(sizes.heads * sizes.headDim)]
        : ['heads', probeByHead(sizes.heads, sizes.headDim)],
    );
  }
  const wanted = sites.flatMap((site) => {
    const { query, key, value, output } = around(site);
    return [
      ...(query && key && value ? tensorsOf(site.qkv) : []),
      ...(output ? [output.input] : []),
    ];
  });
  const unfolds = sites.some(({ qkv }) => qkv.kind === 'flat' && (qkv.rotary ?? qkv.norm) !== null);
  const added = new Map(
    sites
      .flatMap((site) => ROLES.flatMap((role) => around(site).biases[role]))
      .map((bias) => [bias.node.output[0]!, bias]),
  );
  return cutOut(projections, { wanted, cuts, unfolds }, (builder, feeds, nodes) => {
    for (const node of nodes) {
      const bias = added.get(node.output[0] ?? '');
      if (bias) Object.assign(node, { opType: 'Identity', input: [bias.rest] });
    }
    const positions = (): string => {
      if (projections.graph.inputs.has('position_ids')) return 'position_ids';
      feeds[POSITIONS] ??= {
        type: 'int64',
        dims: [PROBE_ROWS, PROBE_TOKENS],
        data: BigInt64Array.from({ length: PROBE_ROWS * PROBE_TOKENS }, (_, i) =>
          BigInt(i % PROBE_TOKENS),
        ),
      };
      return POSITIONS;
    };
    const { typeOf } = projections.flow;
    const outputs = sites.map((site): SiteOutputs => {
      const { query, key, value, output, biases } = around(site);
      const qkv =
        query && key && value
          ? builder.within(`probe/layer${site.layer}`, () =>
              buildQkv(builder, site.qkv, sizes, typeOf, positions),
            )
          : null;
      const constants = (role: Role): string[] =>
        qkv ? biases[role].map(({ constant }) => builder.cast(constant, DataType.FLOAT)) : [];
      const own = { query: constants('query'), key: constants('key'), value: constants('value') };
      return {
        layer: site.layer,
        query: qkv?.query ?? null,
        key: qkv?.key ?? null,
        value: qkv?.value ?? null,
        output: output && builder.cast(output.input, DataType.FLOAT),
        biases: own,
      };
    });
    return {
      outputs,
      names: outputs
        .flatMap(({ query, key, value, output, biases }) => [
          query,
          key,
          value,
          output,
          ...ROLES.flatMap((role) => biases[role]),
        ])
        .filter((name) => name !== null),
    };
  });
}

/** All that a site's Q, K and V are computed from. */
function tensorsOf(qkv: QkvSource): string[] {
  const fused =
    qkv.kind === 'flat'
      ? [qkv.norm?.query, qkv.norm?.key, qkv.rotary?.cos, qkv.rotary?.sin, qkv.rotary?.positions]
      : [];
  return [qkv.query, qkv.key, qkv.value, ...fused].filter((name) => name != null);
}

/** The norms of the residual stream, each alone. */
export function normsPart(
  projections: Projections,
  norms: readonly StreamNorm[],
  sizes: Sizes,
): Part & { outputs: string[] } {
  const cuts = commonCuts(projections, sizes);
  for (const { input } of norms) cuts.set(input, ['probe', probe(sizes.hiddenSize)]);
  return cutOut(
    projections,
    { wanted: norms.map(({ output }) => output), cuts, unfolds: false },
    (builder) => {
      const outputs = norms.map(({ output }) => builder.cast(output, DataType.FLOAT));
      return { outputs, names: outputs };
    },
  );
}

/** What is fed in the place of a tensor; those of one name and shape share one input. */
type Cut = [name: string, TensorData];

/** Products with weights, and embeddings: shapes may be taken from them, values are not. */
function commonCuts({ graph, byOutput }: Projections, sizes: Sizes): Map<string, Cut> {
  const cuts = new Map<string, Cut>();
  for (const { output, width } of byOutput.values())
    if (width !== null) cuts.set(output, ['none', noProbe(width)]);
  for (const node of graph.graph.node) {
    if (!isOp(node, 'Gather') && !isMicrosoftOp(node, 'GatherBlockQuantized')) continue;
    const table = graph.constant(node.input[0]);
    const isFloat = table?.dataType === DataType.FLOAT || table?.dataType === DataType.FLOAT16;
    if (isFloat && table.dims.length === 2 && Number(table.dims[0]) === sizes.vocabSize)
      cuts.set(node.output[0]!, ['none', noProbe(Number(table.dims[1]))]);
  }
  return cuts;
}

function cutOut<T>(
  { graph, flow }: Projections,
  {
    wanted,
    cuts,
    unfolds,
  }: { wanted: readonly string[]; cuts: ReadonlyMap<string, Cut>; unfolds: boolean },
  build: (
    builder: GraphBuilder,
    feeds: Tensors,
    nodes: readonly NodeProto[],
  ) => { outputs: T; names: readonly string[] },
): Part & { outputs: T } {
  const infos = new Map(
    [...cuts.keys()].map((name) => [name, makeValueInfo(name, DataType.FLOAT)]),
  );
  const model = copyModel(
    extract(
      graph,
      [...new Set(wanted)].map((name) => ({ name, type: DataType.UNDEFINED })),
      infos,
    ),
  );
  if (unfolds) raiseOpset(model, UNFOLD_OPSET);
  const part = model.graph!;
  const reached = part.input.filter(({ name }) => cuts.has(name)).map(({ name }) => name);
  part.input = part.input.filter(({ name }) => !cuts.has(name));
  part.output = [];
  const builder = new GraphBuilder(part, new Set([...new OnnxGraph(model).names(), ...reached]));
  const feeds: Tensors = {};
  for (const name of reached) {
    const [kind, tensor] = cuts.get(name)!;
    const input = `attn_diff/probe/${kind}/${tensor.dims.join('x')}`;
    if (!Object.hasOwn(feeds, input)) {
      feeds[input] = tensor;
      builder.input(input, DataType.FLOAT, tensor.dims);
    }
    const type = flow.typeOf(name);
    builder.cast(input, type === DataType.UNDEFINED ? DataType.FLOAT : type);
    builder.nodes.at(-1)!.output = [name];
  }
  const { outputs, names } = build(builder, feeds, part.node);
  if (feeds[POSITIONS]) builder.input(POSITIONS, DataType.INT64, feeds[POSITIONS].dims);
  const own = graph.graph.input.find(({ name }) => name === 'position_ids');
  const readsPositions = builder.nodes.some(({ input }) => input.includes('position_ids'));
  if (own && readsPositions && !part.input.includes(own)) part.input.push(own);
  for (const name of new Set(names)) builder.output(name, DataType.UNDEFINED);
  part.node.unshift(...builder.nodes);
  sortNodes(part);
  return { model, feeds, outputs };
}
