import { GraphBuilder } from '../onnx/builder.js';
import { isOp, OnnxGraph } from '../onnx/graph.js';
import { tensorInfo } from '../onnx/inputs.js';
import { copyModel, dropUnused, opsetOf, replaceUses, setOpset, sortNodes } from '../onnx/rewrite.js';
import { DataType, type ModelProto, type NodeProto } from '../onnx/types.js';
import { AttnDiffError } from '../errors.js';
import type { ImplementationName, MaskFill, Scope, Stream, Tap } from '../types.js';
import type { ResolvedSite, Sizes } from './evaluate.js';
import { BUILT } from './implementations/index.js';
import type { AttentionInputs, Masks } from './implementations/types.js';
import { maskInputs, type AddedInput } from './maskInputs.js';
import { buildProbe } from './probes.js';

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
  const index = new OnnxGraph(model);
  const graph = model.graph!;
  nameNodes(graph.node);
  const originalNodes = [...graph.node];
  const logits = logitsOutput(index);
  const builder = new GraphBuilder(graph, index.names());
  const { masks, added } = maskInputs(builder, options.maskFill);
  raiseOpsets(model, options.streams);
  graph.output = options.keepLogits ? graph.output.filter(({ name }) => name === logits) : [];

  const work = new Rebuild(options, builder, masks, originalNodes, index);
  for (const site of options.sites) work.site(site);
  for (const site of options.sites) work.tapStacked('hidden', site.layer, site.hidden);
  work.tapStacked('logits', null, logits);

  graph.node.push(...builder.nodes);
  dropUnused(graph);
  sortNodes(graph);
  return { model, streams: [...options.streams], reference: options.reference, added, probes: work.probes, captures: work.captures, logits };
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
const PROBE_OPSET = 18;

function raiseOpsets(model: ModelProto, streams: readonly Stream[]): void {
  const needed = [{ domain: '', version: PROBE_OPSET }, ...streams.flatMap(({ name }) => (name === 'original' ? [] : BUILT[name].opsets))];
  const own = opsetOf(model, '') ?? 0;
  if (own < PROBE_OPSET) {
    throw new AttnDiffError('graph-not-supported', { problem: `its opset is ${own}; ${PROBE_OPSET} or later is needed: export it again with --opset ${PROBE_OPSET}` });
  }
  for (const { domain, version } of needed) if ((opsetOf(model, domain) ?? 0) < version) setOpset(model, domain, version);
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
  readonly #reference: number;

  constructor(options: RebuildOptions, builder: GraphBuilder, masks: Masks, originalNodes: readonly NodeProto[], index: OnnxGraph) {
    this.#options = options;
    this.#builder = builder;
    this.#masks = masks;
    this.#originalNodes = originalNodes;
    this.#index = index;
    this.#reference = options.streams.findIndex(({ label }) => label === options.reference);
    if (this.#reference < 0) throw new Error(`no stream is called ${options.reference}`);
  }

  site(site: ResolvedSite): void {
    const { streams } = this.#options;
    const builder = this.#builder;
    const query = this.#split(site.query);
    const key = this.#split(site.key);
    const value = this.#split(site.value);
    const originalOutputs = streams.some(({ name }) => name === 'original') ? this.#original(site, { query, key, value }) : null;

    const own = streams.map(({ label, name }, i) =>
      name === 'original' ? originalOutputs!.own(i) : builder.within(`layer${site.layer}/${label}`, () => this.#build(name, site, query[i]!, key[i]!, value[i]!)),
    );
    const ref = this.#reference;
    const local = streams.map(({ label, name }) => {
      // The same implementation on the same tensors is the same computation.
      if (name === streams[ref]!.name) return own[ref]!;
      if (name === 'original') return originalOutputs!.onReference();
      return builder.within(`layer${site.layer}/${label}/local`, () => this.#build(name, site, query[ref]!, key[ref]!, value[ref]!));
    });

    const stacked = own.map((tensor, i) => (this.#outputType(i) === 'float64' ? builder.cast(tensor, DataType.FLOAT) : tensor));
    const joined = stacked.length === 1 ? stacked[0]! : builder.op('Concat', stacked, { axis: 0n });
    replaceUses(this.#originalNodes, site.output, joined);
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

  #build(name: Exclude<ImplementationName, 'original'>, site: ResolvedSite, query: string, key: string, value: string): string {
    const { heads, kvHeads, headDim } = this.#options.sizes;
    const inputs: AttentionInputs = {
      query,
      key,
      value,
      heads,
      kvHeads: site.grouped ? kvHeads : heads,
      headDim,
      scale: site.scale,
      window: site.maskSummary.window,
      masks: this.#masks,
    };
    return BUILT[name].build(this.#builder, inputs);
  }

  /**
   * Leaves the site's own nodes in place. They run on the whole stack, so the slots of other streams are free to
   * carry the reference's Q, K, V, which gives the local error in the same pass.
   */
  #original(site: ResolvedSite, split: Record<'query' | 'key' | 'value', string[]>): { own(i: number): string; onReference(): string } {
    const { streams } = this.#options;
    const builder = this.#builder;
    const source = streams.map(({ name }, i) => (name === 'original' ? i : this.#reference));
    if (streams.some(({ name }) => name !== 'original')) {
      for (const [part, slices] of Object.entries(split)) {
        const tensor = site[part as keyof typeof split];
        const joined = builder.op('Concat', source.map((i) => slices[i]!), { axis: 0n });
        const consumers = this.#index.consumers(tensor).filter((node) => !isOp(node, 'Shape'));
        replaceUses(consumers, tensor, joined);
      }
    }
    const outputs = this.#split(site.output);
    return { own: (i) => outputs[i]!, onReference: () => outputs[this.#reference]! };
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
