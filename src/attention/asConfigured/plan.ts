import { isOp, type OnnxGraph } from '../../onnx/graph.js';
import { DataType } from '../../onnx/types.js';
import type { TensorData, Tensors } from '../../types.js';
import type { ResolvedSite, Sizes } from '../evaluate.js';
import type { LayerMeasurement } from './aspect.js';
import { readNorm, readPaths, ROUNDING, type Paths } from './measure.js';
import { streamNorms } from './norms.js';
import {
  headsPart,
  normsPart,
  type Part,
  type Role,
  type SiteOutputs,
  type SiteProjections,
} from './parts.js';
import { PROBE_ROWS, PROBE_TOKENS } from './probeRows.js';
import {
  projectionsOf,
  sourcesOf,
  type Projection,
  type Projections,
  type Sources,
} from './projections.js';
import { plainGraph } from './plainGraph.js';

/** A part of the model that is to be run once on the probe. */
export interface Job extends Part {
  /** Takes what the part has computed into the measurements. */
  read(outputs: Tensors): void;
  /** The same in smaller pieces, for where ONNX Runtime refuses the whole; empty for a job of one layer. */
  pieces(): Job[];
}

export interface Plan {
  jobs: Job[];
  /** What is known of each layer; grows as jobs are read. */
  layers: LayerMeasurement[];
  /** By layer, the initializers that the projections around attention multiply with. */
  weights: Map<number, Record<Role | 'output', string | null>>;
}

/** Numbers of one job's outputs; more layers than these allow make further jobs. */
const JOB_NUMBERS = 2 ** 24;

/**
 * Plans how the parts of a model between its projections and its attention are measured. The parts hold no weights
 * but those of norms, biases and rotary tables.
 *
 * @param layerTypes of config.json, by layer
 * @param isHalf whether the file computes, or keeps its tables, in half precision that the graph no longer shows
 */
export function planMeasurement(
  graph: OnnxGraph,
  sites: readonly ResolvedSite[],
  sizes: Sizes,
  { layerTypes, isHalf }: { layerTypes: readonly string[] | null; isHalf: boolean },
): Plan {
  const projections = projectionsOf(plainGraph(graph));
  const rounding = isHalf || hasHalf(projections) ? ROUNDING.coarse : ROUNDING.fine;
  const around = new Map(sites.map((site) => [site, projectionsAround(projections, site)]));
  const layers = sites.map((site): LayerMeasurement => {
    return {
      layer: site.layer,
      type: layerTypes?.[site.layer] ?? '',
      heads: sizes.heads,
      kvHeads: sizes.kvHeads,
      scale: site.scale,
      rounding,
      query: null,
      key: null,
      value: null,
      output: null,
      norms: {},
      bias: { query: 'none', key: 'none', value: 'none' },
    };
  });
  const heads = (own: readonly ResolvedSite[]): Job => {
    const part = headsPart(projections, own, (site) => around.get(site as ResolvedSite)!, sizes);
    return {
      ...part,
      read: (outputs) =>
        own.forEach((site, i) =>
          readHeads(
            layers.find(({ layer }) => layer === site.layer)!,
            part.outputs[i]!,
            around.get(site)!,
            outputs,
            sizes,
            rounding,
          ),
        ),
      pieces: () => (own.length > 1 ? own.map((site) => heads([site])) : []),
    };
  };
  const perLayer = PROBE_ROWS * PROBE_TOKENS * sizes.headDim * 4 * sizes.heads;
  const step = Math.max(1, Math.floor(JOB_NUMBERS / perLayer));
  const jobs = Array.from({ length: Math.ceil(sites.length / step) }, (_, i) =>
    heads(sites.slice(i * step, (i + 1) * step)),
  );
  const weights = new Map(
    [...around].map(([site, { query, key, value, output }]) => [
      site.layer,
      {
        query: query?.weight ?? null,
        key: key?.weight ?? null,
        value: value?.weight ?? null,
        output: output?.weight ?? null,
      },
    ]),
  );
  return {
    jobs: [...jobs, ...normJobs(projections, sites, around, layers, sizes)],
    layers,
    weights,
  };
}

function normJobs(
  projections: Projections,
  sites: readonly ResolvedSite[],
  around: ReadonlyMap<ResolvedSite, SiteProjections>,
  layers: readonly LayerMeasurement[],
  sizes: Sizes,
): Job[] {
  const own = new Map(
    [...around].flatMap(([site, { query }]) => (query ? [[query, site.layer] as const] : [])),
  );
  const norms = streamNorms(projections, sites, own);
  const job = (list: typeof norms): Job => {
    const part = normsPart(projections, list, sizes);
    return {
      ...part,
      read: (outputs) => {
        for (const [i, { place, layer }] of list.entries()) {
          const measured =
            layer === null ? layers.at(-1) : layers.find((candidate) => candidate.layer === layer);
          if (measured)
            measured.norms[place] = readNorm(
              outputs[part.outputs[i]!]!,
              sizes.hiddenSize,
              measured.rounding,
            );
        }
      },
      pieces: () => (list.length > 1 ? list.map((norm) => job([norm])) : []),
    };
  };
  return norms.length > 0 ? [job(norms)] : [];
}

function readHeads(
  layer: LayerMeasurement,
  names: SiteOutputs,
  around: SiteProjections,
  outputs: Tensors,
  { heads, headDim }: Sizes,
  rounding: number,
): void {
  const paths = (
    name: string | null,
    width: number | null | undefined,
  ): LayerMeasurement['query'] =>
    name === null || !width ? null : readPaths(outputs[name]!, width, headDim, rounding);
  layer.output = around.output && paths(names.output, heads * headDim);
  for (const role of ['query', 'key', 'value'] as const) {
    const own = paths(names[role], around[role]?.width);
    layer[role] = own;
    if (own)
      layer.bias[role] = own.isShifted
        ? 'non-zero'
        : biasOf(
            names.biases[role].map((name) => outputs[name]!),
            own,
            headDim,
          );
  }
}

/** What biases add to the elements that a site's heads are made of. */
function biasOf(
  biases: readonly TensorData[],
  { heads }: Paths,
  headDim: number,
): LayerMeasurement['bias'][Role] {
  if (biases.length === 0) return 'none';
  const offsets = heads.flatMap((head) => head?.offset ?? []);
  // NaN is not zero.
  const isZero = biases.every(({ data }) =>
    offsets.every((offset) =>
      (data.slice(offset, offset + headDim) as Float32Array).every((value) => value === 0),
    ),
  );
  return isZero ? 'zero' : 'non-zero';
}

/** The projections that a site's tensors come from, and the one that its result goes to. */
function projectionsAround(
  projections: Projections,
  { qkv, output }: ResolvedSite,
): SiteProjections {
  const [query, key, value] = [qkv.query, qkv.key, qkv.value].map((tensor) =>
    sourcesOf(projections, tensor ?? qkv.query),
  ) as [Sources, Sources, Sources];
  const only = ({ projections: found }: Sources): Projection | null =>
    found.length === 1 ? found[0]! : null;
  const biases = { query: query.biases, key: key.biases, value: value.biases };
  return {
    query: only(query),
    key: only(key),
    value: only(value),
    output: projectionBelow(projections, output),
    biases,
  };
}

/** How many nodes may lie between attention and its output projection. */
const MAX_STEPS = 40;

function projectionBelow({ graph, byNode, flow }: Projections, from: string): Projection | null {
  const found = new Set<Projection>();
  let tensors = [from];
  for (let step = 0; step < MAX_STEPS && tensors.length > 0 && found.size === 0; step++) {
    const readers = tensors
      .flatMap((tensor) => graph.consumers(tensor))
      .filter((node) => !isOp(node, 'Shape'));
    for (const reader of readers) {
      const projection = byNode.get(reader);
      if (projection) found.add(projection);
    }
    tensors = readers.flatMap(({ output }) => output.filter((tensor) => flow.isActivation(tensor)));
  }
  return found.size === 1 ? [...found][0]! : null;
}

const HALF: ReadonlySet<DataType> = new Set([DataType.FLOAT16, DataType.BFLOAT16]);

function hasHalf({ graph, flow }: Projections): boolean {
  return graph.graph.node.some((node) =>
    node.output.some((output) => flow.isActivation(output) && HALF.has(flow.typeOf(output))),
  );
}
