import { GraphBuilder } from '../onnx/builder.js';
import { elementTypes } from '../onnx/elementType.js';
import { isOp, OnnxGraph } from '../onnx/graph.js';
import { tensorInfo } from '../onnx/inputs.js';
import { raiseOpset } from '../onnx/opset.js';
import { copyModel, dropUnused, opsetOf, replaceUses, setOpset, sortNodes } from '../onnx/rewrite.js';
import { DataType, type ModelProto, type NodeProto } from '../onnx/types.js';
import { AttnDiffError } from '../errors.js';
import type { ImplementationName, MaskFill, Scope, Stream, Tap } from '../types.js';
import type { ResolvedSite, Sizes } from './evaluate.js';
import { BUILT } from './implementations/index.js';
import type { AttentionInputs, Masks } from './implementations/types.js';
import { maskInputs, type AddedInput } from './maskInputs.js';
import { buildProbe } from './probes.js';
import { buildQkv, UNFOLD_OPSET, type Qkv } from './qkv.js';
import { siteInputs, siteTensors } from './site.js';
import { unstackQuantisation } from './unstackQuantisation.js';

/** A graph output that carries a probe: [PROBE_ROWS, streams, B, S], float64. */
export interface ProbeOutput {
  output: string;
  tap: Tap;
  scope: Scope;
  layer: number | null;
  /** Labels along the streams axis. */
  streams: string[];
}

/** A graph output that carries a tap's own tensor, one per stream; for tests and for saving. */
export interface CaptureOutput {
  output: string;
  tap: Tap;
  scope: Scope;
  layer: number | null;
  stream: string;
}

/** The model with every site rebuilt as parallel implementations, to be fed the batch once per stream, stacked. */
export interface DiffGraph {
  model: ModelProto;
  streams: Stream[];
  reference: string;
  /** Inputs beyond the model's own. */
  added: AddedInput[];
  probes: ProbeOutput[];
  captures: CaptureOutput[];
  /** The model's logits, stacked over streams; an output only where `keepLogits` asks for it. */
  logits: string;
}

export interface RebuildOptions {
  graph: OnnxGraph;
  sites: readonly ResolvedSite[];
  sizes: Sizes;
  streams: readonly Stream[];
  /** Label of the stream that the others are compared with. */
  reference: string;
  maskFill: MaskFill;
  /** Whether the logits themselves stay an output; they are large, and the probes say what a run needs to know. */
  keepLogits?: boolean;
  /** Whether to go around the quantisation inside sites, which no rebuilt implementation has. */
  dequantise?: boolean;
  /** Whether to also return every tap's tensors. */
  capture?: boolean;
}

/**
 * Rebuilds a model so that one forward pass runs every stream. Each site's Q, K and V are split on the batch axis,
 * each slice gets its stream's implementation, and the results are concatenated; the rest of the graph, and every
 * weight, stays as it is. Beside its own stream, each implementation also runs on the reference's Q, K, V (the
 * local error).
 *
 * @throws AttnDiffError graph-not-supported
 */
export function rebuild(options: RebuildOptions): DiffGraph {
  const model = copyModel(options.graph.model);
  const graph = model.graph!;
  if (options.dequantise) for (const { from, to } of options.sites.flatMap(({ quantisation }) => quantisation)) replaceUses(graph.node, from, to);
  const index = new OnnxGraph(model);
  nameNodes(graph.node);
  const originalNodes = [...graph.node];
  const logits = logitsOutput(index);
  const builder = new GraphBuilder(graph, index.names());
  const inputs = maskInputs(builder, options.maskFill);
  raiseOpsets(model, options);
  graph.output = options.keepLogits ? graph.output.filter(({ name }) => name === logits) : [];

  if (options.streams.length > 1) unstackQuantisation(builder, index, options.streams.length);
  const work = new Rebuild(options, builder, inputs, originalNodes, index);
  for (const site of options.sites) work.site(site);
  for (const site of options.sites) work.tapStacked('hidden', site.layer, site.hidden);
  work.tapStacked('logits', null, logits);

  graph.node.push(...builder.nodes);
  dropUnused(graph);
  sortNodes(graph);
  return { model, streams: [...options.streams], reference: options.reference, added: inputs.added, probes: work.probes, captures: work.captures, logits };
}

/** The first output that is [batch, sequence, vocabulary]; caches are 4D. */
function logitsOutput(graph: OnnxGraph): string {
  const outputs = graph.graph.output.map(tensorInfo);
  const found = outputs.find(({ name, shape }) => shape.length === 3 || name === 'logits');
  if (!found) throw new AttnDiffError('graph-not-supported', { problem: `it has no logits output of shape [batch, sequence, vocabulary] (outputs: ${outputs.map(({ name }) => name).join(', ')})` });
  return found.name;
}

/** A profile tells nodes by name, so each gets one. */
function nameNodes(nodes: readonly NodeProto[]): void {
  nodes.forEach((node, i) => {
    if (node.name === '') node.name = `${node.opType}_${i}`;
  });
}

/** Probes reduce over axes given as inputs and split by count, both of opset 18. */
export const PROBE_OPSET = 18;

function raiseOpsets(model: ModelProto, { streams, sites }: RebuildOptions): void {
  raiseOpset(model, sites.some(({ qkv }) => qkv.kind === 'flat' && (qkv.rotary ?? qkv.norm) !== null) ? UNFOLD_OPSET : PROBE_OPSET);
  for (const { domain, version } of streams.flatMap(({ name }) => (name === 'original' ? [] : BUILT[name].opsets))) {
    if (domain === '') raiseOpset(model, version);
    else if ((opsetOf(model, domain) ?? 0) < version) setOpset(model, domain, version);
  }
}

/** The state of one rebuild. */
class Rebuild {
  readonly probes: ProbeOutput[] = [];
  readonly captures: CaptureOutput[] = [];
  readonly #options: RebuildOptions;
  readonly #builder: GraphBuilder;
  readonly #masks: Masks;
  readonly #originalNodes: readonly NodeProto[];
  readonly #index: OnnxGraph;
  readonly #types: (tensor: string) => DataType;
  readonly #positions: () => string;
  readonly #reference: number;

  constructor(options: RebuildOptions, builder: GraphBuilder, { masks, positions }: Pick<ReturnType<typeof maskInputs>, 'masks' | 'positions'>, originalNodes: readonly NodeProto[], index: OnnxGraph) {
    this.#options = options;
    this.#builder = builder;
    this.#masks = masks;
    this.#positions = positions;
    this.#types = elementTypes(index);
    // Types are inferred through the nodes' inputs, which rewiring changes: so all are asked for before.
    for (const site of options.sites) for (const tensor of [...siteTensors(site), site.output]) this.#types(tensor);
    this.#originalNodes = originalNodes;
    this.#index = index;
    this.#reference = options.streams.findIndex(({ label }) => label === options.reference);
    if (this.#reference < 0) throw new Error(`no stream is called ${options.reference}`);
  }

  site(site: ResolvedSite): void {
    const { streams } = this.#options;
    const builder = this.#builder;
    const inputs = this.#inputs(site);
    const original = streams.some(({ name }) => name === 'original') ? this.#original(site) : [];

    const own = streams.map(({ label, name }, i) => (name === 'original' ? original[i]! : builder.within(`layer${site.layer}/${label}`, () => this.#build(name, site, inputs[i]!))));
    const ref = this.#reference;
    const local = streams.map(({ label, name }) => {
      // The same implementation on the same tensors is the same computation.
      if (name === streams[ref]!.name) return own[ref]!;
      if (name === 'original') return original[ref]!;
      return builder.within(`layer${site.layer}/${label}/local`, () => this.#build(name, site, inputs[ref]!));
    });

    if (streams.some(({ name }) => name !== 'original')) this.#replaceOutput(site, own);
    this.#tap('attention', 'accumulated', site.layer, own, own[ref]!, 'BHSD');
    if (streams.length > 1) this.#tap('attention', 'local', site.layer, local, own[ref]!, 'BHSD');
  }

  /** Probes a tensor of the graph itself, [N·B,S,…], stream by stream. */
  tapStacked(tap: Tap, layer: number | null, tensor: string): void {
    const slices = this.#split(tensor);
    const reference = slices[this.#reference]!;
    if (tap === 'hidden') {
      this.#tap(tap, 'accumulated', layer, slices, reference, 'BSD');
      return;
    }
    // Vocabulary-sized tensors are probed one stream at a time, so that only one is held in float64.
    slices.forEach((slice, i) => this.#tap(tap, 'accumulated', layer, [slice], reference, 'BSD', [i]));
  }

  /** Each stream's Q, K and V, float32 by head. */
  #inputs(site: ResolvedSite): Qkv[] {
    const { sizes, streams } = this.#options;
    const { query, key, value } = this.#builder.within(`layer${site.layer}/inputs`, () => buildQkv(this.#builder, site.qkv, sizes, this.#types, this.#positions));
    const [queries, keys, values] = [query, key, value].map((tensor) => this.#split(tensor)) as [string[], string[], string[]];
    return streams.map((_, i) => ({ query: queries[i]!, key: keys[i]!, value: values[i]! }));
  }

  #build(name: Exclude<ImplementationName, 'original'>, site: ResolvedSite, qkv: Qkv): string {
    const { heads, kvHeads, headDim } = this.#options.sizes;
    const inputs: AttentionInputs = { ...qkv, heads, kvHeads: site.qkv.grouped ? kvHeads : heads, headDim, scale: site.scale, softcap: site.softcap, window: site.maskSummary.window, masks: this.#masks };
    return BUILT[name].build(this.#builder, inputs);
  }

  /**
   * Leaves the site's own nodes in place. They run on the whole stack, so the slots of other streams are free to
   * carry the reference's inputs, which gives the local error in the same pass.
   *
   * @returns the site's own output, float32 by head, for each slot
   */
  #original(site: ResolvedSite): string[] {
    const { streams } = this.#options;
    const builder = this.#builder;
    const source = streams.map(({ name }, i) => (name === 'original' ? i : this.#reference));
    for (const tensor of new Set(siteInputs(site))) {
      if (source.every((slot, i) => slot === i)) break;
      const slices = this.#split(tensor);
      const joined = builder.op('Concat', source.map((i) => slices[i]!), { axis: 0n });
      replaceUses(this.#index.consumers(tensor).filter((node) => !isOp(node, 'Shape')), tensor, joined);
    }
    const { heads, headDim } = this.#options.sizes;
    const byHead = site.outputFlat ? builder.transpose(builder.reshapeTo(site.output, 0, 0, heads, headDim), 0, 2, 1, 3) : site.output;
    return this.#split(this.#types(site.output) === DataType.FLOAT ? byHead : builder.cast(byHead, DataType.FLOAT));
  }

  /** Hands the streams' outputs, [B,H,S,D] each, to whatever read the site's own output. */
  #replaceOutput(site: ResolvedSite, own: readonly string[]): void {
    const builder = this.#builder;
    const { heads, headDim } = this.#options.sizes;
    const floats = own.map((tensor, i) => (this.#outputType(i) === 'float64' ? builder.cast(tensor, DataType.FLOAT) : tensor));
    const joined = floats.length === 1 ? floats[0]! : builder.op('Concat', floats, { axis: 0n });
    const shaped = site.outputFlat ? builder.reshapeTo(builder.transpose(joined, 0, 2, 1, 3), 0, 0, heads * headDim) : joined;
    const type = this.#types(site.output);
    replaceUses(this.#originalNodes, site.output, type === DataType.FLOAT ? shaped : builder.cast(shaped, type));
  }

  #split(tensor: string): string[] {
    const count = this.#options.streams.length;
    return count === 1 ? [tensor] : this.#builder.ops('Split', [tensor], count, { axis: 0n, num_outputs: BigInt(count) });
  }

  #outputType(stream: number): 'float32' | 'float64' {
    const { name } = this.#options.streams[stream]!;
    return name === 'original' ? 'float32' : BUILT[name].outputType;
  }

  #tap(tap: Tap, scope: Scope, layer: number | null, tensors: readonly string[], reference: string, layout: 'BHSD' | 'BSD', indices?: number[]): void {
    const { streams, capture } = this.#options;
    const place = layer === null ? tap : `layer${layer}/${tap}`;
    const output = this.#builder.within(`probe/${place}/${scope}`, () => buildProbe(this.#builder, tensors, reference, layout));
    this.#builder.output(output, DataType.DOUBLE);
    const labels = (indices ?? streams.map((_, i) => i)).map((i) => streams[i]!.label);
    this.probes.push({ output, tap, scope, layer, streams: labels });
    if (!capture) return;
    tensors.forEach((tensor, i) => {
      const captured = this.#builder.op('Identity', [tensor]);
      this.#builder.output(captured, DataType.UNDEFINED);
      this.captures.push({ output: captured, tap, scope, layer, stream: labels[i]! });
    });
  }
}
