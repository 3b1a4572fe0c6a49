import { implementationOf } from '../attention/implementations/index.js';
import { kernelOf } from '../attention/kernels.js';
import type { AttentionSite } from '../attention/site.js';
import type { ExecutedNode } from '../runners/types.js';
import type { Failure, ImplementationInfo, Stream } from '../types.js';
import type { OwnPrecision } from './precision.js';
import { toldKernels } from './toldKernels.js';

/** What shows which kernels ran. */
export interface Evidence {
  /** From the session's profile. */
  executed: readonly ExecutedNode[];
  /** What the runtime printed. */
  printed: string;
}

/**
 * Names the kernel that ran for each stream, from what ONNX Runtime itself tells of the nodes it executed: the
 * operators of the first layer in order, how many of all layers' nodes ran on which provider, and, where the provider
 * tells it, the kernel behind the operator (a shader of WebGPU, `SdpaKernel=` of CUDA). A kernel is confirmed where
 * every layer's nodes ran on the provider asked for and each was told to be the kernel asked for.
 */
export function implementationInfos(streams: readonly Stream[], sites: readonly AttentionSite[], { executed, printed }: Evidence, own: OwnPrecision): ImplementationInfo[] {
  const byName = new Map(executed.map((node) => [node.name, node]));
  const printedKernels = toldKernels(printed);
  return streams.map((stream) => {
    const layers = sites.map((site) => nodesOf(stream, site, executed, byName));
    const nodes = layers.flat();
    const chains = new Set(layers.map((layer) => chain(layer.map(({ opType }) => opType))));
    const providers = countedBy(nodes, ({ provider }) => shortProvider(provider));
    const silent = layers.filter((layer) => layer.length === 0).length;
    const told = nodes.map((node) => tellsOf(node, printedKernels));
    const named = [...new Set(told.flat())];
    const operators = nodes.length === 0 ? 'unknown' : [...chains].filter((kernel) => kernel !== '').join(' | ');
    return {
      ...askedOf(stream, own),
      kernel: named.length === 0 ? operators : `${operators} (${named.join(', ')})`,
      provider: [...providers.keys()].join('+') || 'unknown',
      evidence: silent > 0 ? `the profile shows no node of ${silent} of ${sites.length} layers` : `profile: ${counts(providers)}${elsewhere(stream, executed)}`,
      ...proofOf(stream, { silent, providers: [...providers.keys()], told }),
      failure: null,
    };
  });
}

/** Of an implementation that never ran. */
export function unseen(stream: Stream, own: OwnPrecision): ImplementationInfo {
  return { ...askedOf(stream, own), kernel: 'unknown', provider: 'unknown', evidence: 'no pass was finished', proof: 'not-provable', reason: 'no-profile', failure: null };
}

/** Of an implementation that did not run to its end, with what was seen of it before. */
export function failed(info: ImplementationInfo, failure: Failure): ImplementationInfo {
  return { ...info, proof: 'not-provable', reason: 'failed', failure };
}

/** What is known of an implementation before it runs. */
function askedOf({ label, name, settings }: Stream, own: OwnPrecision): Pick<ImplementationInfo, 'name' | 'asked' | 'precision' | 'emulated'> {
  const { precision, emulated } = name === 'original' ? own : implementationOf(name, settings);
  return { name: label, asked: { provider: settings.provider, kernel: kernelOf(name, settings)?.name ?? null }, precision, emulated };
}

function proofOf({ name, settings }: Stream, { silent, providers, told }: { silent: number; providers: readonly string[]; told: readonly (readonly string[])[] }): Pick<ImplementationInfo, 'proof' | 'reason'> {
  if (silent > 0) return { proof: 'not-provable', reason: 'no-profile' };
  // float64 has kernels on the CPU alone, and there it belongs.
  const wanted = name === 'exact' ? 'cpu' : settings.provider;
  if (providers.some((provider) => provider !== wanted)) return { proof: 'fallback', reason: 'other-provider' };
  const kernel = name === 'original' ? null : kernelOf(name, settings);
  if (!kernel?.told) return { proof: 'confirmed', reason: null };
  if (told.some((names) => names.length === 0)) return { proof: 'not-provable', reason: 'not-told' };
  const { told: wantedName } = kernel;
  return told.every((names) => names.every((each) => wantedName.test(each))) ? { proof: 'confirmed', reason: null } : { proof: 'fallback', reason: 'other-kernel' };
}

/** WebGPU's helpers, which move or fill tensors and are no kernel of attention. */
const HELPERS = /^(CopyKVCache|PagedAttention|SplitPackedQKV|FusedQKRotaryEmbedding|RotaryEmbedding|Transpose|Fill|Cast)/;

/** The names by which a provider tells the kernel behind a fused node. */
function tellsOf({ name, opType, programs }: ExecutedNode, printed: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const kernels = printed.get(name);
  if (kernels !== undefined) return [...kernels];
  return opType.endsWith('Attention') ? programs.filter((program) => !HELPERS.test(program)) : [];
}

function nodesOf({ label, name, settings }: Stream, site: AttentionSite, executed: readonly ExecutedNode[], byName: ReadonlyMap<string, ExecutedNode>): ExecutedNode[] {
  if (name === 'original') return site.compute.flatMap((node) => byName.get(node.name) ?? []);
  const prefix = `attn_diff/layer${site.layer}/${label}/`;
  return executed.filter((node) => node.name.startsWith(prefix) && !node.name.startsWith(`${prefix}local/`) && implementationOf(name, settings).computeOps.includes(node.opType));
}

/** Of the file's own nodes, those that did not run on the provider asked for. */
function elsewhere({ settings: { provider } }: Stream, executed: readonly ExecutedNode[]): string {
  if (provider === 'cpu') return '';
  const own = countedBy(executed.filter(({ name }) => !name.startsWith('attn_diff/')), (node) => shortProvider(node.provider));
  return own.size === 0 ? '' : `; the file's own nodes: ${counts(own)}`;
}

function countedBy<T>(items: readonly T[], key: (item: T) => string): Map<string, number> {
  const counted = new Map<string, number>();
  for (const item of items) counted.set(key(item), (counted.get(key(item)) ?? 0) + 1);
  return counted;
}

function counts(providers: ReadonlyMap<string, number>): string {
  return [...providers].map(([provider, count]) => `${count} nodes on ${provider}`).join(', ');
}

/** Operators in their order, repeats of one counted: `MatMul → Softmax → MatMul`, `GroupQueryAttention ×9`. */
function chain(operators: readonly string[]): string {
  const runs: { operator: string; count: number }[] = [];
  for (const operator of operators) {
    const run = runs.at(-1);
    if (run?.operator === operator) run.count++;
    else runs.push({ operator, count: 1 });
  }
  return runs.map(({ operator, count }) => (count === 1 ? operator : `${operator} ×${count}`)).join(' → ');
}

/** `CPUExecutionProvider` is `cpu` to users. */
export function shortProvider(provider: string): string {
  return provider.replace(/ExecutionProvider$/, '').toLowerCase();
}
