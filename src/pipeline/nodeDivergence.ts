import { compareRows, ROUNDING } from '../metrics/index.js';
import { makeValueInfo } from '../onnx/builder.js';
import type { OnnxGraph } from '../onnx/graph.js';
import { raiseOpset } from '../onnx/opset.js';
import { encodeModel } from '../onnx/read.js';
import { copyModel, extract } from '../onnx/rewrite.js';
import { DATA_TYPES } from '../onnx/tensorTypes.js';
import { DataType, type ModelProto, type NodeProto } from '../onnx/types.js';
import type { ExecutedNode } from '../runners/types.js';
import type {
  Batch,
  Finding,
  NodesAnswer,
  PartedPlace,
  Row,
  Stream,
  TensorData,
  Tensors,
} from '../types.js';
import { shortProvider } from './evidence.js';
import { unlessFailing } from './failure.js';
import { modelFeeds } from './feeds.js';
import { neededOpset } from './lanes.js';
import { inSession, runOnce } from './once.js';
import { runGraph } from './runGraph.js';
import type { SecondLook } from './secondLook.js';
import { runnerOf, type SecondPass } from './secondPass.js';

/** Nodes that a finding names. */
const MOST_NODES = 5;
/** Relative L2 (no unit) that rounding explains of one node. */
const LIMIT = ROUNDING.fp32;

/**
 * Has nodes outside attention looked for behind a stream that parts from the reference although no layer's attention
 * does.
 *
 * @param isPart whether the rows are a part of the run's. The whole may part where one of its parts stays within
 *   rounding, and would then ask for the first place of all, which may be in that part: so it is asked for beforehand
 * @returns the findings, with each such `propagation-only` replaced by a `node-divergence`
 */
export async function blameNodes(
  findings: readonly Finding[],
  rows: readonly Row[],
  look: Pick<SecondLook, 'nodes'>,
  isPart: boolean,
): Promise<Finding[]> {
  const blamed: Finding[] = [];
  for (const finding of findings) {
    const place =
      finding.code === 'propagation-only' || (isPart && finding.code === 'within-rounding')
        ? firstParted(rows, finding.implementation)
        : null;
    const answer = place && (await look.nodes(place));
    blamed.push(
      finding.code === 'propagation-only' && place && answer
        ? {
            code: 'node-divergence',
            ...place,
            ...answer,
            limit: LIMIT,
            accumulatedRelL2: finding.accumulatedRelL2,
          }
        : finding,
    );
  }
  return blamed;
}

/** The first place on valid tokens where an implementation's stream parts by more than fp32 rounding; null where none does. */
function firstParted(rows: readonly Row[], implementation: string): PartedPlace | null {
  const first = rows
    .filter(
      (row) =>
        row.implementation === implementation &&
        row.scope === 'accumulated' &&
        row.kind === 'valid' &&
        row.relL2 > LIMIT,
    )
    .toSorted(compareRows)[0];
  return first ? { implementation, layer: first.layer, batch: first.batch } : null;
}

/**
 * The nodes outside attention that part at one place, where stream and reference run on different providers, or under
 * different opsets on one that has not the same kernels for both: each node of the layer is run alone as the stream's
 * lane runs it, on what enters it in the reference's, and held against what it makes there.
 *
 * @returns null where there are none, or where one of the two does not run alone
 */
export async function partedNodes(
  { implementation, layer, batch: name }: PartedPlace,
  context: SecondPass,
): Promise<NodesAnswer | null> {
  const { config, batches, sites, loaded } = context;
  const labelled = (wanted: string): Stream =>
    config.implementations.find(({ label }) => label === wanted)!;
  const [stream, reference] = [labelled(implementation), labelled(config.reference)];
  const { provider } = stream.settings;
  if (provider === 'cpu' && reference.settings.provider === 'cpu') return null;
  const batch = batches.find((each) => each.name === name)!;
  const part = partOf(runGraph(loaded, config), sites, layer, loaded.logits?.name);
  const attention = new Set(sites.flatMap(({ compute }) => compute.map((node) => node.name)));
  return unlessFailing(async () => {
    const known = await tensorsOf(context, reference, part, batch);
    const cut = cutApart(part, known);
    if (!cut) return null;
    const { outputs, executed } = await runApart(context, stream, cut, known);
    const ranOn = new Map(executed.map((node) => [node.name, shortProvider(node.provider)]));
    const nodes = cut.nodes.flatMap(({ node, output, apart }) => {
      const relL2 = floatRelL2(outputs[apart]!, known[output]!);
      return attention.has(node.name) || relL2 <= LIMIT
        ? []
        : [
            {
              name: node.name || output,
              opType: node.opType,
              ranOn: ranOn.get(node.name) ?? 'unknown',
              relL2,
            },
          ];
    });
    return nodes.length === 0
      ? null
      : {
          provider,
          nodes: nodes.slice(0, MOST_NODES),
          more: Math.max(0, nodes.length - MOST_NODES),
        };
  }, null);
}

/** The nodes between the hidden state that enters a layer and the one that leaves it; for the logits, those after the last layer. */
function partOf(
  graph: OnnxGraph,
  sites: SecondPass['sites'],
  layer: number | null,
  logits: string | undefined,
): ModelProto {
  const at = layer === null ? sites.length : sites.findIndex((site) => site.layer === layer);
  const before = sites[at - 1]?.hidden;
  const end = sites[at]?.hidden ?? logits!;
  const cuts = new Map(
    before === undefined ? [] : [[before, makeValueInfo(before, DataType.FLOAT)]],
  );
  return extract(graph, [{ name: end, type: DataType.UNDEFINED }], cuts);
}

/** Every tensor of a part, as the reference's provider computes it in the whole model. */
async function tensorsOf(
  context: SecondPass,
  reference: Stream,
  part: ModelProto,
  batch: Batch,
): Promise<Tensors> {
  const { loaded, config } = context;
  const model = copyModel(runGraph(loaded, config).model);
  raiseOpset(model, neededOpset(reference));
  const entering = part
    .graph!.input.map(({ name }) => name)
    .filter((name) => !model.graph!.input.some((input) => input.name === name));
  const names = [
    ...new Set([...entering, ...part.graph!.node.flatMap(({ output }) => output)]),
  ].filter((name) => name !== '');
  model.graph!.output = names.map((name) => makeValueInfo(name, DataType.UNDEFINED));
  const feeds = modelFeeds(loaded.inputs, loaded.sizes, batch, 1);
  return {
    ...feeds,
    ...(await runOnce(
      runnerOf(context, reference),
      model,
      feeds,
      'looking into a divergence',
      loaded.folder,
    )),
  };
}

interface CutPart {
  model: ModelProto;
  /** Each node's first output, and what it is called where it is computed apart. */
  nodes: { node: NodeProto; output: string; apart: string }[];
}

/** The part with every node reading what is known instead of what the nodes before it make; null where a tensor's type cannot be fed. */
function cutApart(part: ModelProto, known: Tensors): CutPart | null {
  const model = copyModel(part);
  const graph = model.graph!;
  const weights = new Set(graph.initializer.map(({ name }) => name));
  const read = new Set(
    graph.node.flatMap(({ input }) => input).filter((name) => name !== '' && !weights.has(name)),
  );
  const nodes = graph.node.flatMap((node) => {
    const [output] = node.output;
    if (output === undefined || !isFloat(known[output])) return [];
    node.output = node.output.map((name) => (name === '' ? '' : `attn_diff/apart/${name}`));
    return [{ node, output, apart: node.output[0]! }];
  });
  graph.node = nodes.map(({ node }) => node);
  const types = [...read].map((name) => ({
    name,
    type: known[name] ? DATA_TYPES[known[name].type] : undefined,
  }));
  if (types.some(({ type }) => type === undefined)) return null;
  graph.input = types.map(({ name, type }) => makeValueInfo(name, type!));
  graph.output = nodes.map(({ apart }) => makeValueInfo(apart, DataType.UNDEFINED));
  return { model, nodes };
}

async function runApart(
  context: SecondPass,
  stream: Stream,
  { model }: CutPart,
  known: Tensors,
): Promise<{ outputs: Tensors; executed: ExecutedNode[] }> {
  raiseOpset(model, neededOpset(stream));
  const wanted = new Set(model.graph!.node.flatMap(({ input }) => input));
  model.graph!.input = model.graph!.input.filter(({ name }) => wanted.has(name));
  const feeds = Object.fromEntries(Object.entries(known).filter(([name]) => wanted.has(name)));
  const request = {
    model: { bytes: encodeModel(model), folder: context.loaded.folder },
    profile: true,
  };
  return inSession(
    runnerOf(context, stream),
    request,
    'looking into a divergence',
    async (session) => ({ outputs: await session.run(feeds), executed: await session.executed() }),
  );
}

function isFloat(tensor: TensorData | undefined): boolean {
  return tensor?.type === 'float32' || tensor?.type === 'float64';
}

/** ‖x − ref‖ / ‖ref‖ over elements; those that are the same (infinite ones too, as masks have) do not differ. 0/0 is 0. */
function floatRelL2(x: TensorData, ref: TensorData): number {
  let [delta, norm] = [0, 0];
  for (let i = 0; i < ref.data.length; i++) {
    const [own, other] = [Number(x.data[i]), Number(ref.data[i])];
    if (Object.is(own, other)) continue;
    delta += (own - other) ** 2;
  }
  for (const value of ref.data) if (Number.isFinite(Number(value))) norm += Number(value) ** 2;
  return delta === 0 ? 0 : Math.sqrt(delta / norm);
}
