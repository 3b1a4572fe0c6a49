import { plainSettings } from '../attention/settings.js';
import { buildBatch } from '../batch/index.js';
import { environmentOf } from '../attention/kernels.js';
import type { Capability } from '../doctorTypes.js';
import { OnnxGraph } from '../onnx/graph.js';
import { encodeModel } from '../onnx/read.js';
import type { Runner, Runners } from '../runners/types.js';
import type { Precision, TensorData } from '../types.js';
import { alone, type Case } from './alone.js';
import { shortProvider } from './evidence.js';
import { ExecutedGraph } from './executedGraph.js';
import { inSession } from './once.js';
import { problemOf } from './providers.js';
import { otherTypes, sorted, writtenIn } from './ranTypes.js';

/** What is tried: enough for every kernel's head size. */
const [HEADS, KV_HEADS, HEAD_DIM, LENGTH] = [2, 1, 64, 16];

/**
 * Runs every implementation that should be real on its provider once, on the attention of one small layer: a device may
 * lack a precision, and a provider leave an operator to the CPU.
 *
 * @returns the same, with those that were refused, or ran elsewhere, said to be so
 */
export async function tried(
  capabilities: readonly Capability[],
  runners: Runners,
  timeout: number,
): Promise<Capability[]> {
  const found: Capability[] = [];
  // One after the other: those of one process would wait for each other within their time, and end with each other.
  for (const capability of capabilities)
    found.push(
      capability.kind === 'real' ? await tryOne(capability, runners, timeout) : capability,
    );
  return found;
}

async function tryOne(
  capability: Capability,
  runners: Runners,
  timeout: number,
): Promise<Capability> {
  const { implementation, provider, precision } = capability;
  const settings = { ...plainSettings(precision), provider };
  try {
    const { providers, others } = await ranOn(
      capability,
      settings,
      runners.at({ provider, environment: environmentOf(implementation, settings), timeout }),
    );
    if (providers.length === 0 || providers.some((each) => each !== provider))
      return {
        ...capability,
        kind: 'elsewhere',
        reason: `${provider} leaves it to ${[...new Set(providers)].join(', ') || 'nobody'}`,
      };
    return others.length === 0
      ? capability
      : {
          ...capability,
          kind: 'elsewhere',
          reason: `${provider} runs it in ${others.join(' and ')}`,
        };
  } catch (error) {
    return { ...capability, kind: 'none', operators: [], kernels: [], reason: problemOf(error) };
  }
}

/** Where the nodes of its attention ran, and in which types those ran that ran in others than they are written in. */
async function ranOn(
  { implementation: name }: Capability,
  settings: ReturnType<typeof plainSettings>,
  runner: Runner,
): Promise<{ providers: string[]; others: Precision[] }> {
  const { model, feeds, computeOps } = alone(
    { name, settings },
    {
      scale: HEAD_DIM ** -0.5,
      softcap: null,
      sinks: null,
      mask: { window: null, causal: true, padding: true },
    },
    smallCase(),
  );
  return inSession(
    runner,
    { model: { bytes: encodeModel(model), folder: '.' }, profile: true },
    'trying an implementation',
    async (session) => {
      await session.run(feeds);
      const seen = new ExecutedGraph(new OnnxGraph(model), await session.executed());
      const nodes = model
        .graph!.node.filter(({ opType }) => computeOps.includes(opType))
        .map((node) => ({ ran: seen.ran(node), written: writtenIn(seen.graph, node) }));
      return {
        providers: nodes.flatMap(({ ran }) => ran.map(({ provider }) => shortProvider(provider))),
        others: sorted(nodes.flatMap(({ ran, written }) => otherTypes(ran, written))),
      };
    },
  );
}

function smallCase(): Case {
  const batch = buildBatch({
    sequences: [Array.from({ length: LENGTH }, (_, i) => i)],
    padding: 'right',
    padTokenId: 0,
    length: null,
    source: 'random',
    name: 'trial',
  });
  const wave = (heads: number, phase: number): TensorData => ({
    type: 'float32',
    dims: [1, heads, LENGTH, HEAD_DIM],
    data: Float32Array.from({ length: heads * LENGTH * HEAD_DIM }, (_, i) =>
      Math.sin(i * 12.9898 + phase),
    ),
  });
  return {
    batch,
    inputs: { query: wave(HEADS, 1), key: wave(KV_HEADS, 2), value: wave(KV_HEADS, 3) },
  };
}
