import { describe, expect, it } from 'vitest';
import { kernelsOf, providerObstacle } from '../../src/attention/kernels.js';
import { parseRunOptions } from '../../src/config/index.js';
import { elementTypes } from '../../src/onnx/elementType.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { decodeModel } from '../../src/onnx/read.js';
import { DataType } from '../../src/onnx/types.js';
import { openMeasurement } from '../../src/pipeline/measure.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import type { Runner, Runners, SessionRequest } from '../../src/runners/types.js';
import { ATTENTION_PRECISIONS, type Row } from '../../src/types.js';
import { fixture } from '../support/fixtures.js';

/** ONNX Runtime checks all types before it looks for kernels. */
const NO_KERNEL = /Could not find an implementation for (\w+)/;

/** Operators that CUDA's provider 1.30.0 ran in bfloat16, over stand-ins for NVIDIA's libraries. */
const IN_BFLOAT16 = new Set(
  `Add Attention Cast Concat Expand Gather GroupQueryAttention MatMul Mul MultiHeadAttention Neg
  PagedAttention Reshape RMSNormalization Shape Sigmoid SimplifiedLayerNormalization Slice
  SkipSimplifiedLayerNormalization Split Transpose Unsqueeze`.split(/\s+/),
);

/** Every implementation and kernel that CUDA has, in every precision that it takes. */
const STREAMS = (['eager', 'sdpa', 'flash'] as const).flatMap((name) => {
  const kernels = name === 'eager' ? [null] : kernelsOf('cuda', name).map((kernel) => kernel.name);
  return kernels.flatMap((kernel) =>
    ATTENTION_PRECISIONS.flatMap((precision) => {
      if (providerObstacle(name, { provider: 'cuda', precision, kernel }) !== null) return [];
      const asked = kernel === null ? '' : `:kernel=${kernel}`;
      const label = `${name}@cuda${asked}:precision=${precision}`;
      return [{ label, runs: precision !== 'bf16' && kernel !== 'varlen' }];
    }),
  );
});

interface Seen {
  /** What became of each stream that did not run. */
  problems: Map<string, string>;
  /** What the others are off by on the reference's Q, K and V. */
  local: Row[];
  /** The graphs for CUDA. */
  graphs: OnnxGraph[];
}

/** Hands what CUDA would get to the CPU: it checks every type, and runs what it has kernels for. */
async function onCpu(model: string, streams: readonly string[]): Promise<Seen> {
  const impl = ['eager@cpu', ...streams].join(',');
  const batch = { random: '2x6', padding: 'left' };
  const options = parseRunOptions({ model, ...batch, impl, reference: 'eager@cpu' });
  const { config, loaded, batches } = await prepareRun(options);
  const graphs: OnnxGraph[] = [];
  const stand = (provider: Runner['provider']): Runner => {
    const runner = inProcessRunner();
    const open = (request: SessionRequest, stage: string): ReturnType<Runner['open']> => {
      if (provider === 'cuda' && 'bytes' in request.model) {
        graphs.push(new OnnxGraph(decodeModel(request.model.bytes, 'cuda')));
      }
      return runner.open(request, stage);
    };
    return { ...runner, provider, open };
  };
  const at: Runners['at'] = ({ provider = 'cpu' }) => stand(provider);
  const sites = await resolveSites(loaded, inProcessRunner());
  const runners: Runners = { at, fresh: at, stop: () => undefined };
  const measurement = await openMeasurement(config, loaded, sites, batches, runners);
  const { failures, rows } = await measurement.run(batches[0]!);
  await measurement.close();
  const local = rows.filter(({ scope, kind, implementation }) => {
    return scope === 'local' && kind === 'valid' && implementation !== 'eager@cpu';
  });
  const problems = new Map(failures.map((each) => [each.implementation, each.failure.problem]));
  return { problems, local, graphs };
}

/** In fp16 the CPU gives nodes float32 before it looks for PagedAttention, which it has not. */
const NO_PAGED_KERNEL = /InsertedPrecisionFreeCast_.*PagedAttention/;

/** Grouped heads, and layers with a window and without. */
const WINDOWED = fixture('forms', 'qwen2-window-optimum');

/** The implementations under their usual kernels. */
const usual = (precision: string): string[] =>
  ['eager', 'sdpa', 'flash'].map((name) => `${name}@cuda:precision=${precision}`);

describe('graphs for CUDA, where no GPU is at hand', () => {
  it('every kernel in fp32 and fp16 attends, the CPU standing in', async () => {
    const streams = STREAMS.filter(({ runs }) => runs);
    const { problems, local } = await onCpu(
      WINDOWED,
      streams.map(({ label }) => label),
    );
    expect([...problems]).toEqual([]);
    expect(new Set(local.map(({ implementation }) => implementation)).size).toBe(streams.length);
    const most = (label: string): number => (label.endsWith('fp32') ? 1e-5 : 2e-3);
    expect(local.filter((row) => !(row.exactRelL2 < most(row.implementation)))).toEqual([]);
  });

  it('every kernel in bf16 fits its operators, and CUDA has kernels for them', async () => {
    const streams = STREAMS.filter(({ runs }) => !runs);
    const { problems, graphs } = await onCpu(
      WINDOWED,
      streams.map(({ label }) => label),
    );
    const lacks = ({ label }: { label: string }): boolean =>
      (label.endsWith('fp16') ? NO_PAGED_KERNEL : NO_KERNEL).test(problems.get(label) ?? '');
    expect(streams.filter((stream) => !lacks(stream))).toEqual([]);
    expect(graphs.length).toBeGreaterThanOrEqual(streams.length);
    expect(new Set(graphs.flatMap(withoutKernel))).toEqual(new Set());
    const paged = graphs.flatMap(outputsOfPaged);
    expect(paged.length).toBeGreaterThan(0);
    // CUDA's kernel updates the caches in place, and refuses others given out.
    for (const outputs of paged) expect(outputs).toBe(1);
  });

  it('a kernel by name is asked of the operator, and in the form, that CUDA gives it to', async () => {
    const labels = [
      'sdpa@cuda:kernel=cudnn:precision=fp16',
      'sdpa@cuda:kernel=efficient:precision=fp16',
      'sdpa@cuda:kernel=efficient:precision=fp32',
    ] as const;
    const { graphs } = await onCpu(WINDOWED, labels);
    const nodes = graphs.flatMap((graph) => graph.model.graph!.node);
    const operators = labels.map((label) => {
      const own = nodes.filter(({ name }) => name.startsWith(`attn_diff/layer0/${label}/`));
      const [attention, repeats] = [/Attention$/, /^Expand$/].map((wanted) => {
        return [...new Set(own.map(({ opType }) => opType).filter((each) => wanted.test(each)))];
      });
      return { attention, repeats };
    });
    expect(operators).toEqual([
      { attention: ['MultiHeadAttention'], repeats: ['Expand'] },
      { attention: ['Attention'], repeats: [] },
      { attention: ['Attention'], repeats: ['Expand'] },
    ]);
  });

  it.each(['qwen2-dynamo-bf16', 'qwen2-genai-bf16-cuda'])(
    '%s keeps its bfloat16 nodes, and CUDA has kernels for them',
    async (name) => {
      const streams = ['original@cuda', ...usual('bf16')];
      const { problems, graphs } = await onCpu(fixture('forms', name), streams);
      expect(problems.size).toBe(4);
      for (const problem of problems.values()) expect(problem).toMatch(NO_KERNEL);
      expect(new Set(graphs.flatMap(withoutKernel))).toEqual(new Set());
    },
  );

  it('a bfloat16 cache has no name for its length, lest a longer one gets its memory', async () => {
    const { graphs } = await onCpu(fixture('forms', 'qwen2-genai-bf16-cuda'), ['original@cuda']);
    const { input } = graphs.at(-1)!.model.graph!;
    const caches = input.filter(({ name }) => name.startsWith('past_key_values'));
    expect(caches).toHaveLength(4);
    for (const { type } of caches) {
      const dims = type?.value.case === 'tensorType' ? type.value.value.shape!.dim : [];
      expect(dims).toHaveLength(4);
      for (const { value } of dims) expect(value.case).not.toBe('dimParam');
    }
  });

  it.each(['qwen2-fp16', 'qwen2-genai-fp16-cuda', 'qwen3-optimum', 'qwen2-dynamo23'])(
    '%s in fp16 runs, the CPU standing in',
    async (name) => {
      const { problems } = await onCpu(fixture('forms', name), ['original@cuda', ...usual('fp16')]);
      expect([...problems]).toEqual([]);
    },
  );
});

/** Operators on bfloat16 that CUDA was not seen to run. */
function withoutKernel(graph: OnnxGraph): string[] {
  const typeOf = elementTypes(graph);
  const isHalf = (tensor: string): boolean => tensor !== '' && typeOf(tensor) === DataType.BFLOAT16;
  const nodes = graph.model.graph!.node;
  const inHalf = nodes.filter(({ input, output }) => [...input, ...output].some(isHalf));
  return inHalf.flatMap(({ opType }) => (IN_BFLOAT16.has(opType) ? [] : [opType]));
}

function outputsOfPaged(graph: OnnxGraph): number[] {
  const nodes = graph.model.graph!.node.filter(({ opType }) => opType === 'PagedAttention');
  return nodes.map(({ output }) => output.length);
}
