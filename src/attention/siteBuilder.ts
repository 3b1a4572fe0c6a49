import type { GraphBuilder } from '../onnx/builder.js';
import { elementTypes } from '../onnx/elementType.js';
import { isOp, type OnnxGraph } from '../onnx/graph.js';
import { roundedTo } from '../onnx/half.js';
import { replaceUses } from '../onnx/rewrite.js';
import { DataType, type NodeProto } from '../onnx/types.js';
import type { AttentionSettings, Scope, Stream, Tap } from '../types.js';
import type { ResolvedSite } from './evaluate.js';
import { attend } from './implementations/attend.js';
import { implementationOf } from './implementations/index.js';
import type { AttentionInputs } from './implementations/types.js';
import type { MaskInputs } from './maskInputs.js';
import { fileMasks } from './fileMask.js';
import { buildProbe } from './probes.js';
import { buildQkv, type Qkv } from './qkv.js';
import { buildRangeProbe } from './rangeProbes.js';
import { Exchange, type SharedOutput } from './exchange.js';
import type {
  CaptureOutput,
  ProbeOutput,
  RangeOutput,
  RebuildOptions,
  VariantOutput,
} from './rebuild.js';
import { rounded } from './rounding.js';
import { deviate, maskSpecOf, sameComputation } from './settings.js';
import { siteInputs, siteTensors } from './site.js';

type Built = Pick<Stream, 'label' | 'name' | 'settings'>;

/** Rebuilds one site after the other: the state of one rebuild. */
export class SiteBuilder {
  readonly probes: ProbeOutput[] = [];
  readonly captures: CaptureOutput[] = [];
  readonly ranges: RangeOutput[] = [];
  readonly variants: VariantOutput[] = [];
  /** How often the batch is stacked. */
  readonly slots: number;
  readonly #exchange: Exchange;
  readonly #options: RebuildOptions;
  readonly #builder: GraphBuilder;
  readonly #inputs: MaskInputs;
  readonly #originalNodes: readonly NodeProto[];
  readonly #index: OnnxGraph;
  readonly #types: (tensor: string) => DataType;
  readonly #reference: number;
  readonly #truth: number;

  constructor(
    options: RebuildOptions,
    builder: GraphBuilder,
    inputs: MaskInputs,
    originalNodes: readonly NodeProto[],
    index: OnnxGraph,
  ) {
    this.#options = options;
    this.#builder = builder;
    this.#inputs = inputs;
    this.#types = elementTypes(index);
    // Types are inferred through the nodes' inputs, which rewiring changes: so all are asked for before.
    for (const site of options.sites)
      for (const tensor of [
        ...siteTensors(site),
        site.output,
        site.hidden,
        ...(site.mask.kind === 'tensor' ? [site.mask.tensor] : []),
      ])
        this.#types(tensor);
    this.#originalNodes = originalNodes;
    this.#index = index;
    const isGiven = options.given != null;
    this.slots =
      options.streams.length +
      (isGiven && options.streams.some(({ name }) => name === 'original') ? 1 : 0);
    this.#exchange = new Exchange(builder, options.share != null, options.given ?? null);
    this.#reference = isGiven ? -1 : this.#streamAt(options.reference);
    this.#truth = isGiven
      ? -1
      : options.truth == null
        ? this.#reference
        : this.#streamAt(options.truth);
  }

  get shared(): SharedOutput[] {
    return this.#exchange.shared;
  }

  site(site: ResolvedSite): void {
    const { precision = 'fp32', plant } = this.#options;
    const streams = this.#options.streams.map((stream) =>
      plant?.stream === stream.label && plant.layer === site.layer
        ? { ...stream, settings: deviate(stream.settings, plant.deviation) }
        : stream,
    );
    const builder = this.#builder;
    const inputs = this.#qkv(site);
    if (this.#options.share?.siteInputs) this.#shareInputs(site);
    const original = streams.some(({ name }) => name === 'original') ? this.#original(site) : [];
    const own = streams.map((stream, i) =>
      stream.name === 'original'
        ? original[i]!
        : this.#build(stream, site, inputs[i]!, stream.label),
    );
    if (streams.some(({ name }) => name !== 'original'))
      this.#replaceOutput(site, [...own, ...original.slice(streams.length)]);

    const exchange = this.#exchange;
    const place = `layer${site.layer}`;
    const ref = this.#reference;
    const typeAt = (i: number): DataType =>
      streams[i] && isDouble(streams[i]) ? DataType.DOUBLE : DataType.FLOAT;
    this.#tap('attention', 'accumulated', site.layer, own, 'BHSD', {
      reference: exchange.pass(`${place}/reference`, own[ref], typeAt(ref)),
      truth: exchange.pass(`${place}/truth`, own[this.#truth], typeAt(this.#truth)),
    });

    const roundedOwn = exchange.isTaking
      ? null
      : builder.within(`${place}/local`, () =>
          roundedQkv(inputs[ref]!, (tensor) => rounded(builder, tensor, precision)),
        );
    const shared: Qkv = {
      query: exchange.pass(`${place}/query`, roundedOwn?.query, DataType.FLOAT),
      key: exchange.pass(`${place}/key`, roundedOwn?.key, DataType.FLOAT),
      value: exchange.pass(`${place}/value`, roundedOwn?.value, DataType.FLOAT),
    };
    // On the same tensors the same computation gives the same result: rounding them once more changes nothing.
    const reference = streams[ref];
    const known: { stream: Built; output: string }[] =
      reference && (precision === 'fp32' || reference.settings.precision === precision)
        ? [{ stream: reference, output: own[ref]! }]
        : [];
    const local = streams.map((stream) => {
      if (stream.name === 'original') return original[exchange.isTaking ? this.slots - 1 : ref]!;
      const found = known.find((other) => sameComputation(other.stream, stream));
      if (found) return found.output;
      const output = this.#build(stream, site, shared, `${stream.label}/local`);
      known.push({ stream, output });
      return output;
    });
    const against = {
      reference: exchange.pass(`${place}/localReference`, local[ref], typeAt(ref)),
      truth: exchange.pass(`${place}/localTruth`, local[this.#truth], typeAt(this.#truth)),
    };
    if (streams.length > 1 || exchange.isTaking)
      this.#tap('attention', 'local', site.layer, local, 'BHSD', against);
    this.#trace(site, streams, {
      accumulated: { qkv: inputs, output: own },
      local: { qkv: streams.map(() => shared), output: local },
    });
    this.#variants(site, shared, local);
    if (this.#options.ranges) this.#range(site, shared);
  }

  /** Probes the hidden state that leaves a layer, [N·B,S,hidden], stream by stream. */
  tapHidden(layer: number, tensor: string): void {
    const slices = this.#split(tensor).slice(0, this.#options.streams.length);
    const pass = (role: string, at: number): string =>
      this.#exchange.pass(`layer${layer}/${role}`, slices[at], this.#types(tensor));
    this.#tap('hidden', 'accumulated', layer, slices, 'BSD', {
      reference: pass('hiddenReference', this.#reference),
      truth: pass('hiddenTruth', this.#truth),
    });
  }

  #streamAt(label: string): number {
    const index = this.#options.streams.findIndex((stream) => stream.label === label);
    if (index < 0) throw new Error(`no stream is called ${label}`);
    return index;
  }

  /** Each stream's Q, K and V, float32 by head. */
  #qkv(site: ResolvedSite): Qkv[] {
    const { sizes, streams } = this.#options;
    const { query, key, value } = this.#builder.within(`layer${site.layer}/inputs`, () =>
      buildQkv(this.#builder, site.qkv, sizes, this.#types, this.#inputs.positions),
    );
    const [queries, keys, values] = [query, key, value].map((tensor) => this.#split(tensor)) as [
      string[],
      string[],
      string[],
    ];
    return streams.map((_, i) => ({ query: queries[i]!, key: keys[i]!, value: values[i]! }));
  }

  #build({ name, settings }: Built, site: ResolvedSite, qkv: Qkv, scope: string): string {
    if (name === 'original') throw new Error('the nodes of the file are not built');
    return this.#builder.within(`layer${site.layer}/${scope}`, () =>
      attend(this.#builder, name, this.#attention(settings, site, qkv)),
    );
  }

  #attention(settings: AttentionSettings, site: ResolvedSite, qkv: Qkv): AttentionInputs {
    return {
      ...qkv,
      ...this.#heads(site),
      scale: site.scale,
      softcap: site.softcap,
      sinks: site.sinks,
      ...this.#maskOf(site, settings, qkv),
      settings,
      decoding: this.#options.decoding ?? null,
    };
  }

  #maskOf(
    site: ResolvedSite,
    settings: AttentionSettings,
    { query }: Qkv,
  ): Pick<AttentionInputs, 'mask' | 'masks'> {
    const { masks } = this.#inputs;
    if (!this.#options.fileMasks || site.maskFaults.length === 0)
      return { mask: maskSpecOf(site.maskSummary, settings), masks };
    const mask = maskSpecOf(site.fileMask, settings);
    return {
      mask,
      masks:
        site.mask.kind === 'tensor'
          ? fileMasks(
              this.#builder,
              masks,
              { ...site, tensor: site.mask.tensor, type: this.#types(site.mask.tensor) },
              query,
            )
          : masks,
    };
  }

  #trace(
    site: ResolvedSite,
    streams: readonly Built[],
    scopes: Record<Scope, { qkv: readonly Qkv[]; output: readonly string[] }>,
  ): void {
    const { trace } = this.#options;
    if (trace?.layer !== site.layer) return;
    const i = this.#streamAt(trace.stream);
    const { qkv, output } = scopes[trace.scope];
    trace.site(this.#builder, {
      inputs: this.#attention(streams[i]!.settings, site, qkv[i]!),
      output: output[i]!,
    });
  }

  #heads({ qkv }: ResolvedSite): { heads: number; kvHeads: number; headDim: number } {
    const { heads, kvHeads, headDim } = this.#options.sizes;
    return { heads, kvHeads: qkv.grouped ? kvHeads : heads, headDim };
  }

  #variants(site: ResolvedSite, qkv: Qkv, local: readonly string[]): void {
    const { variants, streams } = this.#options;
    if (!variants?.layers.includes(site.layer)) return;
    const target = local[streams.findIndex(({ label }) => label === variants.target)]!;
    const outputs = variants.list.map((variant) =>
      this.#build(variant, site, qkv, `variant/${variant.label}`),
    );
    const output = this.#builder.within(`probe/layer${site.layer}/variants`, () =>
      buildProbe(this.#builder, outputs, target, 'BHSD'),
    );
    this.#builder.output(output, DataType.DOUBLE);
    this.variants.push({
      output,
      layer: site.layer,
      variants: variants.list.map(({ label }) => label),
    });
  }

  #range(site: ResolvedSite, { query, key }: Qkv): void {
    const { streams, precision = 'fp32' } = this.#options;
    const mask = maskSpecOf(site.maskSummary, {
      ...streams[this.#reference]!.settings,
      deviation: null,
    });
    const output = this.#builder.within(`probe/layer${site.layer}/ranges`, () =>
      buildRangeProbe(
        this.#builder,
        {
          query,
          key,
          ...this.#heads(site),
          scale: site.scale,
          softcap: site.softcap,
          sinks: site.sinks,
        },
        {
          allowed: this.#inputs.masks.allowed(mask),
          valid: this.#inputs.valid(),
          bias: this.#inputs.masks.bias(),
        },
        precision,
      ),
    );
    this.#builder.output(output, DataType.DOUBLE);
    this.ranges.push({ output, layer: site.layer, scale: site.scale });
  }

  /**
   * Leaves the site's own nodes in place. They run on the whole stack, so the slots of other streams are free to
   * carry the reference's inputs, which gives the local error in the same pass. Where the reference is given by another
   * graph, one slot more carries its inputs.
   *
   * @returns the site's own output, float32 by head, for each slot
   */
  #original(site: ResolvedSite): string[] {
    const { streams } = this.#options;
    const builder = this.#builder;
    const exchange = this.#exchange;
    const source = streams.map(({ name }, i) =>
      name === 'original' || exchange.isTaking ? i : this.#reference,
    );
    for (const [i, tensor] of [...new Set(siteInputs(site))].entries()) {
      if (!exchange.isTaking && source.every((slot, slice) => slot === slice)) break;
      const slices = this.#split(tensor);
      // The other graph may hold in float32 what this one has in bfloat16.
      const given = exchange.isTaking
        ? [
            builder.cast(
              exchange.pass(`layer${site.layer}/input${i}`, undefined, this.#types(tensor)),
              this.#types(tensor),
            ),
          ]
        : [];
      const joined = builder.op('Concat', [...source.map((slot) => slices[slot]!), ...given], {
        axis: 0n,
      });
      replaceUses(
        this.#index.consumers(tensor).filter((node) => !isOp(node, 'Shape')),
        tensor,
        joined,
      );
    }
    const { heads, headDim } = this.#options.sizes;
    const byHead = site.outputFlat
      ? builder.transpose(builder.reshapeTo(site.output, 0, 0, heads, headDim), 0, 2, 1, 3)
      : site.output;
    return this.#split(
      this.#types(site.output) === DataType.FLOAT ? byHead : builder.cast(byHead, DataType.FLOAT),
    );
  }

  #shareInputs(site: ResolvedSite): void {
    for (const [i, tensor] of [...new Set(siteInputs(site))].entries())
      this.#exchange.pass(
        `layer${site.layer}/input${i}`,
        this.#split(tensor)[this.#reference],
        this.#types(tensor),
      );
  }

  /** Hands the streams' outputs, [B,H,S,D] each, to whatever read the site's own output. */
  #replaceOutput(site: ResolvedSite, own: readonly string[]): void {
    const builder = this.#builder;
    const {
      sizes: { heads, headDim },
      streams,
    } = this.#options;
    const floats = own.map((tensor, i) =>
      streams[i] && isDouble(streams[i]) ? builder.cast(tensor, DataType.FLOAT) : tensor,
    );
    const joined = floats.length === 1 ? floats[0]! : builder.op('Concat', floats, { axis: 0n });
    const shaped = site.outputFlat
      ? builder.reshapeTo(builder.transpose(joined, 0, 2, 1, 3), 0, 0, heads * headDim)
      : joined;
    const type = this.#types(site.output);
    replaceUses(
      this.#originalNodes,
      site.output,
      type === DataType.FLOAT ? this.#asHeld(shaped, site.output) : builder.cast(shaped, type),
    );
  }

  /** A float32 tensor rounded as another is that the graph casts from half precision. */
  #asHeld(tensor: string, own: string): string {
    const cast = this.#options.emulatesHalf ? this.#index.producer(own) : undefined;
    const type = isOp(cast, 'Cast') ? this.#types(cast.input[0]!) : DataType.FLOAT;
    return type === DataType.FLOAT16 || type === DataType.BFLOAT16
      ? roundedTo(this.#builder, tensor, type)
      : tensor;
  }

  #split(tensor: string): string[] {
    const count = this.slots;
    return count === 1
      ? [tensor]
      : this.#builder.ops('Split', [tensor], count, { axis: 0n, num_outputs: BigInt(count) });
  }

  #tap(
    tap: Tap,
    scope: Scope,
    layer: number,
    tensors: readonly string[],
    layout: 'BHSD' | 'BSD',
    { reference, truth }: { reference: string; truth: string },
  ): void {
    const { streams, capture } = this.#options;
    const output = this.#builder.within(`probe/layer${layer}/${tap}/${scope}`, () =>
      buildProbe(this.#builder, tensors, reference, layout, truth),
    );
    this.#builder.output(output, DataType.DOUBLE);
    const labels = streams.map(({ label }) => label);
    this.probes.push({ output, tap, scope, layer, streams: labels });
    if (!capture) return;
    tensors.forEach((tensor, i) => {
      const captured = this.#builder.op('Identity', [tensor]);
      this.#builder.output(captured, DataType.UNDEFINED);
      this.captures.push({ output: captured, tap, scope, layer, stream: labels[i]! });
    });
  }
}

function roundedQkv({ query, key, value }: Qkv, round: (tensor: string) => string): Qkv {
  return { query: round(query), key: round(key), value: round(value) };
}

function isDouble({ name, settings }: Built): boolean {
  return name !== 'original' && implementationOf(name, settings).outputType === 'float64';
}
