import type { ResolvedSite } from '../attention/evaluate.js';
import type { AttentionInputs } from '../attention/implementations/types.js';
import { ownSteps } from '../attention/ownSteps.js';
import type { DiffGraph } from '../attention/rebuild.js';
import { ROW_ROWS } from '../attention/traceProbes.js';
import {
  QKV_ROLES,
  traceOutputs,
  traceSteps,
  type QkvRole,
  type SiteTrace,
  type StepOutputs,
} from '../attention/traceSteps.js';
import { allowedMask, unpadIndices } from '../batch/index.js';
import { movedFrom } from '../onnx/dataFlow.js';
import { isOp, OnnxGraph } from '../onnx/graph.js';
import { copyModel, keepOutputs } from '../onnx/rewrite.js';
import { DataType, type ModelProto } from '../onnx/types.js';
import type { NonFiniteOrigin, Tensors } from '../types.js';
import { execute, fileNode, nodeName, rebuildFor, type Job } from './originJob.js';
import { readElement, type ElementProbe } from './originNodes.js';
import {
  firstBad,
  largestOrNull,
  nonFiniteName,
  rowOrigin,
  type RowOrigin,
  type RowStep,
} from './originRow.js';

const TOKENS = 'attn_diff/traced_tokens';

/** What tracing one layer's attention showed. */
export interface AttentionTrace {
  diff: DiffGraph;
  inputs: AttentionInputs;
  /** Null where Q, K or V are to blame, or the whole output is finite. */
  origin: Omit<NonFiniteOrigin, 'layer' | 'weight'> | null;
  /** Those of Q, K and V that are not finite and so are to blame. */
  blamed: string[];
  /** NaN and infinite elements of the output on the tokens asked for. */
  nan: number;
  inf: number;
}

/** Runs a stream's attention of one layer with a look at its steps. */
export async function traceAttention(job: Job, site: ResolvedSite): Promise<AttentionTrace> {
  const { stream, streams, place, batch, tokens, graph } = job;
  const steps = stream.name === 'original' ? ownSteps(graph, site) : null;
  const own =
    steps?.map((each) => ({
      ...each,
      node: each.step === 'probabilities' ? site.core : fileNode(job, graph, each.tensor, null),
    })) ?? null;
  let traced: { inputs: AttentionInputs; outputs: SiteTrace } | undefined;
  const diff = rebuildFor(job, {
    trace: {
      layer: site.layer,
      stream: stream.label,
      scope: place.scope,
      site: (builder, built) => {
        builder.input(TOKENS, DataType.BOOL, ['attn_diff_batch', 1, 'attn_diff_query', 1]);
        traced = {
          inputs: built.inputs,
          outputs: traceSteps(builder, built, {
            name: stream.name,
            own,
            node: stream.name === 'original' ? site.compute.at(-1)! : null,
            stacked: streams.length,
            tokens: TOKENS,
          }),
        };
      },
    },
  });
  if (!traced) throw new Error(`no site has layer ${site.layer}`);
  const values = await execute(job, diff, onlyOutputs(diff.model, traceOutputs(traced.outputs)), {
    [TOKENS]: { type: 'bool', dims: [batch.size, 1, batch.length, 1], data: tokens },
  });
  return { diff, inputs: traced.inputs, ...judge(job, site, diff, traced, values) };
}

/** A model with some of its outputs alone. */
function onlyOutputs(model: ModelProto, names: readonly string[]): ModelProto {
  const copy = copyModel(model);
  keepOutputs(copy, names);
  return copy;
}

type Verdict = Pick<AttentionTrace, 'origin' | 'blamed' | 'nan' | 'inf'>;

function judge(
  job: Job,
  site: ResolvedSite,
  diff: DiffGraph,
  { inputs, outputs }: { inputs: AttentionInputs; outputs: SiteTrace },
  values: Tensors,
): Verdict {
  const numbers = (name: string): Float64Array => values[name]!.data as Float64Array;
  const found = Object.fromEntries(
    ROW_ROWS.map((name, i) => [name, numbers(outputs.found)[i]]),
  ) as Record<(typeof ROW_ROWS)[number], number>;
  const verdict: Verdict = { origin: null, blamed: [], nan: found.nan, inf: found.inf };
  if (found.rank === 0) return verdict;
  const { batch } = job;
  const place = rowPlace(found.row, inputs.heads, batch.length);

  const slots = outputs.unpadded ? unpaddedSlots(job, place.row, place.query) : null;
  const read = ({ step, row, largest, node }: StepOutputs): RowStep => ({
    step,
    values:
      slots && step !== 'output' ? padded(numbers(row), slots, batch.length, step) : numbers(row),
    largest: largestOrNull(numbers(largest)[0]!),
    node: node && nodeName(node),
  });
  const seen =
    rowOrigin(outputs.steps.map(read), allowedKeys(job, inputs, place)) ??
    (outputs.fused && insideKernel(read(outputs.fused)));
  if (!seen) return verdict;

  const roles = QKV_ROLES.filter((role) =>
    READS[seen.kind === 'inside-kernel' ? seen.kind : seen.step].includes(role),
  );
  const probes = roles.map((role) => ({
    role,
    given: readElement(values, outputs.inputs[role].given),
    rounded: readElement(values, outputs.inputs[role].rounded),
  }));
  const blamed = probes.filter(({ given }) => given.rank > 0).map(({ role }) => inputs[role]);
  const beyond = probes.find(({ rounded }) => rounded.rank > 0);
  if (blamed.length > 0) return { ...verdict, blamed };
  return {
    ...verdict,
    origin: beyond
      ? projection(job, site, diff, inputs, beyond.role, beyond.rounded)
      : { ...seen, ...place },
  };
}

interface RowPlace {
  row: number;
  head: number;
  query: number;
}

/** What a flat index into [B,heads,S] stands for. */
function rowPlace(flat: number, heads: number, length: number): RowPlace {
  const plane = Math.floor(flat / length);
  return { row: Math.floor(plane / heads), head: plane % heads, query: flat % length };
}

/** Tells which keys a query may look at. */
function allowedKeys(
  { batch }: Job,
  { mask }: AttentionInputs,
  { row, head, query }: RowPlace,
): (key: number) => boolean {
  const { dims, data } = allowedMask(batch, mask);
  const heads = dims[1]!;
  const start = ((row * heads + (heads === 1 ? 0 : head)) * batch.length + query) * batch.length;
  return (key) => data[start + key] === 1;
}

/** What each step reads of Q, K and V. */
const READS: Readonly<Record<RowOrigin['step'] | 'inside-kernel', readonly QkvRole[]>> = {
  scores: ['query', 'key'],
  scaled: [],
  masked: [],
  probabilities: [],
  output: ['value'],
  node: [],
  'inside-kernel': QKV_ROLES,
};

/** A kernel's own output, where nothing that it is made of is anything but finite. */
function insideKernel({ values, largest, node }: RowStep): RowOrigin {
  return {
    step: 'output',
    node,
    kind: 'inside-kernel',
    value: nonFiniteName(values[firstBad(values)]!),
    key: null,
    largest,
  };
}

/** The tensor that only moved on the way to another, past the empty cache that keys and values are put behind. */
function withoutCache(index: OnnxGraph, tensor: string): string {
  const source = movedFrom(index, tensor);
  const node = index.producer(source);
  const computed = isOp(node, 'Concat')
    ? node.input.filter((input) => !index.inputs.has(input))
    : [];
  return computed.length === 1 ? withoutCache(index, computed[0]!) : source;
}

/** A query, key or value that is finite as the model makes it and beyond the range of the attention's precision. */
function projection(
  job: Job,
  site: ResolvedSite,
  diff: DiffGraph,
  inputs: AttentionInputs,
  role: QkvRole,
  element: ElementProbe,
): Omit<NonFiniteOrigin, 'layer' | 'weight'> {
  const heads = role === 'query' ? inputs.heads : inputs.kvHeads;
  const { row, head, query } = rowPlace(
    Math.floor(element.index / inputs.headDim),
    heads,
    job.batch.length,
  );
  const index = new OnnxGraph(diff.model);
  const node = fileNode(
    job,
    index,
    withoutCache(index, site.qkv[role] ?? site.qkv.query),
    site.core,
  );
  return {
    step: 'node',
    node: node && nodeName(node),
    kind: 'overflow',
    value: nonFiniteName(element.value),
    row,
    ...(role === 'query' ? { head, query, key: null } : { head: null, query: null, key: query }),
    largest: largestOrNull(element.largest),
  };
}

/** Positions in the padded row of the slots of the unpadded row that a token is in. */
function unpaddedSlots({ batch }: Job, row: number, query: number): number[] {
  const { gather, scatter, seqlensK, length } = unpadIndices(batch);
  const unpadded = Math.floor(Number(scatter[row * batch.length + query]) / length);
  const tokens = gather.subarray(unpadded * length, unpadded * length + seqlensK[unpadded]! + 1);
  return Array.from(tokens, (token) => Number(token) % batch.length);
}

/** A row by key position; keys that it does not hold are masked. */
function padded(
  values: Float64Array,
  slots: readonly number[],
  length: number,
  step: RowStep['step'],
): Float64Array {
  const row = new Float64Array(length).fill(step === 'masked' ? -Infinity : 0);
  for (const [slot, position] of slots.entries()) row[position] = values[slot]!;
  return row;
}
