import { implementationOf } from '../attention/implementations/index.js';
import { kernelOf } from '../attention/kernels.js';
import type { AttentionSite } from '../attention/site.js';
import type { OnnxGraph } from '../onnx/graph.js';
import type { ExecutedNode } from '../runners/types.js';
import type { Failure, ImplementationInfo, Stream } from '../types.js';
import { ExecutedGraph } from './executedGraph.js';
import type { OwnPrecision } from './precision.js';
import { ranIn, sorted } from './ranTypes.js';
import { siteNodes } from './siteNodes.js';
import { toldKernels } from './toldKernels.js';

/** What shows which kernels ran. */
export interface Evidence {
  /** The graph that was run. */
  graph: OnnxGraph;
  /** From the session's profile. */
  executed: readonly ExecutedNode[];
  /** What the runtime printed. */
  printed: string;
}

/**
 * Names the kernel that ran for each stream, from what ONNX Runtime itself tells of the nodes it executed: the
 * operators of the first layer in order, how many of all layers' nodes ran on which provider and in which types, and,
 * where the provider tells it, the kernel behind the operator (a shader of WebGPU, `SdpaKernel=` of CUDA). A kernel is
 * confirmed where every node of every layer ran on the provider asked for, in the type that it is written in, and each
 * was told to be the kernel asked for. What the runtime made of a node counts as that node.
 */
export function implementationInfos(
  streams: readonly Stream[],
  sites: readonly AttentionSite[],
  { graph, executed, printed }: Evidence,
  own: OwnPrecision,
): ImplementationInfo[] {
  const seen = new ExecutedGraph(graph, executed);
  const printedKernels = toldKernels(printed);
  return streams.map((stream) => {
    const layers = sites.map((site) => siteNodes(stream, site, seen));
    const ran = once(layers.flat().flatMap((node) => node.ran));
    const named = layers.map((nodes) =>
      inOrder(
        once(nodes.filter(({ namesKernel }) => namesKernel).flatMap((node) => node.ran)),
        executed,
      ),
    );
    const chains = new Set(named.map((nodes) => chain(nodes.map(({ opType }) => opType))));
    const providers = groupedBy(ran, ({ provider }) => shortProvider(provider));
    const silent = layers.filter(
      (nodes) => nodes.length === 0 || nodes.some((node) => node.ran.length === 0),
    ).length;
    const told = named.flat().map((node) => tellsOf(node, printedKernels));
    const kernels = [...new Set(told.flat())];
    const operators =
      named.flat().length === 0
        ? 'unknown'
        : [...chains].filter((kernel) => kernel !== '').join(' | ');
    const asked = askedOf(stream, own);
    return {
      ...asked,
      kernel: kernels.length === 0 ? operators : `${operators} (${kernels.join(', ')})`,
      provider: [...providers.keys()].join('+') || 'unknown',
      ran: sorted(ran.flatMap(ranIn)),
      evidence:
        silent > 0
          ? `the profile lacks nodes of ${silent} of ${sites.length} layers`
          : `profile: ${counts(providers, ranText)}${elsewhere(stream, executed)}`,
      ...proofOf(stream, {
        silent,
        providers: [...providers.keys()],
        told,
        isOtherType: isReadWider(asked) || layers.flat().some((node) => node.isOtherType),
        isTypeTold: ran.every((node) => ranIn(node).length > 0),
      }),
      failure: null,
    };
  });
}

/** Of an implementation that never ran. */
export function unseen(stream: Stream, own: OwnPrecision): ImplementationInfo {
  return {
    ...askedOf(stream, own),
    kernel: 'unknown',
    provider: 'unknown',
    ran: [],
    evidence: 'no pass was finished',
    proof: 'not-provable',
    reason: 'no-profile',
    failure: null,
  };
}

/** Of an implementation that did not run to its end, with what was seen of it before. */
export function failed(info: ImplementationInfo, failure: Failure): ImplementationInfo {
  return { ...info, proof: 'not-provable', reason: 'failed', failure };
}

/** What is known of an implementation before it runs. */
function askedOf(
  { label, name, settings }: Stream,
  own: OwnPrecision,
): Pick<ImplementationInfo, 'name' | 'asked' | 'precision' | 'emulated' | 'written'> {
  const { precision, emulated } = name === 'original' ? own : implementationOf(name, settings);
  const written = name === 'original' ? own.written : precision;
  return {
    name: label,
    asked: { provider: settings.provider, kernel: kernelOf(name, settings)?.name ?? null },
    precision,
    emulated,
    written,
  };
}

/** Whether the file's nodes are written in another type than the graph that is run for them. */
function isReadWider({
  written,
  precision,
  emulated,
}: Pick<ImplementationInfo, 'written' | 'precision' | 'emulated'>): boolean {
  return !emulated && written !== precision;
}

/** What was seen of a stream's nodes. */
interface Seen {
  /** Layers of which a node is missing. */
  silent: number;
  providers: readonly string[];
  told: readonly (readonly string[])[];
  isOtherType: boolean;
  isTypeTold: boolean;
}

function proofOf(
  { name, settings }: Stream,
  { silent, providers, told, isOtherType, isTypeTold }: Seen,
): Pick<ImplementationInfo, 'proof' | 'reason'> {
  if (silent > 0) return { proof: 'not-provable', reason: 'no-profile' };
  // float64 has kernels on the CPU alone, and there it belongs.
  const wanted = name === 'exact' ? 'cpu' : settings.provider;
  if (providers.some((provider) => provider !== wanted))
    return { proof: 'fallback', reason: 'other-provider' };
  const kernel = name === 'original' ? null : kernelOf(name, settings);
  const wantedName = kernel?.told;
  if (wantedName && told.some((names) => names.some((each) => !wantedName.test(each))))
    return { proof: 'fallback', reason: 'other-kernel' };
  if (isOtherType) return { proof: 'fallback', reason: 'other-type' };
  const isTold = isTypeTold && !(wantedName && told.some((names) => names.length === 0));
  return isTold
    ? { proof: 'confirmed', reason: null }
    : { proof: 'not-provable', reason: 'not-told' };
}

/** WebGPU's helpers, which move or fill tensors and are no kernel of attention. */
const HELPERS =
  /^(CopyKVCache|PagedAttention|SplitPackedQKV|FusedQKRotaryEmbedding|RotaryEmbedding|Transpose|Fill|Cast)/;

/** The names by which a provider tells the kernel behind a fused node. */
function tellsOf(
  { name, opType, programs }: ExecutedNode,
  printed: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const kernels = printed.get(name);
  if (kernels !== undefined) return [...kernels];
  return opType.endsWith('Attention') ? programs.filter((program) => !HELPERS.test(program)) : [];
}

/** Of the file's own nodes, those that did not run on the provider asked for. */
function elsewhere({ settings: { provider } }: Stream, executed: readonly ExecutedNode[]): string {
  if (provider === 'cpu') return '';
  const own = groupedBy(
    executed.filter(({ name }) => !name.startsWith('attn_diff/')),
    (node) => shortProvider(node.provider),
  );
  return own.size === 0 ? '' : `; the file's own nodes: ${counts(own, () => '')}`;
}

function once(nodes: readonly ExecutedNode[]): ExecutedNode[] {
  return [...new Set(nodes)];
}

function inOrder(
  nodes: readonly ExecutedNode[],
  executed: readonly ExecutedNode[],
): ExecutedNode[] {
  const own = new Set(nodes);
  return executed.filter((node) => own.has(node));
}

function groupedBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

function counts(
  groups: ReadonlyMap<string, readonly ExecutedNode[]>,
  suffix: (nodes: readonly ExecutedNode[]) => string,
): string {
  return [...groups]
    .map(([provider, nodes]) => `${nodes.length} nodes on ${provider}${suffix(nodes)}`)
    .join(', ');
}

/** ` in fp16 and fp32`; empty where no type is told. */
function ranText(nodes: readonly ExecutedNode[]): string {
  const precisions = sorted(nodes.flatMap(ranIn));
  return precisions.length === 0 ? '' : ` in ${precisions.join(' and ')}`;
}

/** Operators in their order, repeats of one counted: `MatMul → Softmax → MatMul`, `GroupQueryAttention ×9`. */
function chain(operators: readonly string[]): string {
  const runs: { operator: string; count: number }[] = [];
  for (const operator of operators) {
    const run = runs.at(-1);
    if (run?.operator === operator) run.count++;
    else runs.push({ operator, count: 1 });
  }
  return runs
    .map(({ operator, count }) => (count === 1 ? operator : `${operator} ×${count}`))
    .join(' → ');
}

/** `CPUExecutionProvider` is `cpu` to users. */
export function shortProvider(provider: string): string {
  return provider.replace(/ExecutionProvider$/, '').toLowerCase();
}
