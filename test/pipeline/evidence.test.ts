import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, NodeProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { OnnxGraph } from '../../src/onnx/graph.js';
import type { AttentionSite } from '../../src/attention/site.js';
import { streamOf } from '../../src/attention/settings.js';
import { encodeModel } from '../../src/onnx/read.js';
import type { GraphBuilder } from '../../src/onnx/builder.js';
import { DataType, type NodeProto } from '../../src/onnx/types.js';
import { ExecutedGraph } from '../../src/pipeline/executedGraph.js';
import { tellInnerType } from '../../src/pipeline/innerType.js';
import { inSession } from '../../src/pipeline/once.js';
import type { OwnPrecision } from '../../src/pipeline/precision.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { tinyModel } from '../support/tinyGraph.js';
import { implementationInfos, unseen } from '../../src/pipeline/evidence.js';
import { toldKernels } from '../../src/pipeline/toldKernels.js';
import type { ExecutedNode } from '../../src/runners/types.js';
import type {
  AttentionSettings,
  ImplementationInfo,
  ImplementationName,
  Tensors,
} from '../../src/types.js';

const FP32 = { precision: 'fp32', emulated: false, written: 'fp32' } as const;

interface Node {
  opType: string;
  provider: string;
  programs?: string[];
  /** ONNX Runtime's name of what it ran in. */
  type?: string;
}

const LAYERS = [0, 1];
const sitesOf = (opTypes: readonly string[]): AttentionSite[] =>
  LAYERS.map(
    (layer) =>
      ({
        layer,
        compute: opTypes.map((opType) =>
          create(NodeProtoSchema, {
            name: `own${layer}/${opType}`,
            opType,
            input: [`in${layer}`],
            output: [`own${layer}`],
          }),
        ),
      }) as unknown as AttentionSite,
  );

/** What is said of nodes that are there in each layer, all of which ran, but for those of the layers left out. */
function infoOf(
  name: ImplementationName,
  settings: Partial<AttentionSettings>,
  nodes: readonly Node[],
  {
    printed = '',
    silent = [],
    scope = '',
  }: { printed?: string; silent?: readonly number[]; scope?: string } = {},
): ImplementationInfo {
  const opTypes = nodes.map(({ opType }) => opType);
  const nodeName = (layer: number, opType: string): string =>
    name === 'original'
      ? `own${layer}/${opType}`
      : `attn_diff/layer${layer}/${name}/${scope}${opType}`;
  const built = LAYERS.flatMap((layer) =>
    opTypes.map((opType) =>
      create(NodeProtoSchema, {
        name: nodeName(layer, opType),
        opType,
        input: [`in${layer}`],
        output: [`own${layer}`],
      }),
    ),
  );
  const graph = new OnnxGraph(
    create(ModelProtoSchema, { graph: create(GraphProtoSchema, { node: built }) }),
  );
  const executed: ExecutedNode[] = LAYERS.filter((layer) => !silent.includes(layer)).flatMap(
    (layer) =>
      nodes.map(({ opType, provider, programs = [], type = 'float' }) => ({
        name: nodeName(layer, opType),
        opType,
        provider,
        programs,
        inputTypes: [type, type],
        outputTypes: [type],
      })),
  );
  return implementationInfos(
    [streamOf(name, settings)],
    sitesOf(opTypes),
    {
      graph,
      executed,
      printed: printed.replaceAll('NODE', (_, at: number) =>
        nodeName(at < printed.length / 2 ? 0 : 1, 'GroupQueryAttention'),
      ),
    },
    FP32,
  )[0]!;
}

const gqa = (provider: string, ...programs: string[]): Node => ({
  opType: 'GroupQueryAttention',
  provider,
  programs,
});

it('what was asked for is the same whether or not it ran', () => {
  for (const [name, settings] of [
    ['flash', { provider: 'webgpu' }],
    ['sdpa', { kernel: 'mha' }],
    ['eager', { precision: 'bf16' }],
    ['original', {}],
  ] as const) {
    const { asked, precision, emulated } = infoOf(name, settings, []);
    expect(unseen(streamOf(name, settings), FP32)).toMatchObject({ asked, precision, emulated });
  }
  expect(unseen(streamOf('flash', { provider: 'webgpu' }), FP32).asked).toEqual({
    provider: 'webgpu',
    kernel: 'flash',
  });
});

describe('what shows that a kernel ran', () => {
  it('on the CPU is the profile', () => {
    expect(
      infoOf('sdpa', {}, [{ opType: 'Attention', provider: 'CPUExecutionProvider' }]),
    ).toMatchObject({
      kernel: 'Attention',
      provider: 'cpu',
      asked: { provider: 'cpu', kernel: 'attention' },
      proof: 'confirmed',
      reason: null,
      ran: ['fp32'],
      evidence: 'profile: 2 nodes on cpu in fp32',
    });
  });

  it('on WebGPU is the shader, whatever copies the cache for it', () => {
    const webgpu = { provider: 'webgpu' } as const;
    expect(
      infoOf('flash', webgpu, [gqa('WebGpuExecutionProvider', 'CopyKVCache', 'FlashAttention')]),
    ).toMatchObject({
      kernel: 'GroupQueryAttention (FlashAttention)',
      provider: 'webgpu',
      proof: 'confirmed',
    });
    expect(
      infoOf('flash', webgpu, [
        gqa('WebGpuExecutionProvider', 'AttentionProbs', 'InPlaceSoftmax', 'VxAttentionScore'),
      ]),
    ).toMatchObject({ proof: 'fallback', reason: 'other-kernel' });
    // One batch of several may take another kernel.
    expect(
      infoOf('flash', webgpu, [gqa('WebGpuExecutionProvider', 'FlashAttention', 'AttentionProbs')]),
    ).toMatchObject({ proof: 'fallback', reason: 'other-kernel' });
    expect(infoOf('flash', webgpu, [gqa('WebGpuExecutionProvider')])).toMatchObject({
      proof: 'not-provable',
      reason: 'not-told',
    });
    expect(infoOf('flash', webgpu, [gqa('CPUExecutionProvider')])).toMatchObject({
      provider: 'cpu',
      proof: 'fallback',
      reason: 'other-provider',
    });
  });

  it('on CUDA is what the operator prints', () => {
    const cuda = { provider: 'cuda', precision: 'fp16' } as const;
    const line = (kernel: string): string =>
      `\u001B[36mOperator=GroupQueryAttention Node=NODE DataType=fp16 SdpaKernel=${kernel}\u001B[0m\n`.repeat(
        2,
      );
    const nodes = [gqa('CUDAExecutionProvider')];
    expect(infoOf('flash', cuda, nodes, { printed: line('FLASH_ATTENTION') })).toMatchObject({
      kernel: 'GroupQueryAttention (FLASH_ATTENTION)',
      proof: 'confirmed',
    });
    expect(infoOf('flash', cuda, nodes, { printed: line('MATH') })).toMatchObject({
      kernel: 'GroupQueryAttention (MATH)',
      proof: 'fallback',
      reason: 'other-kernel',
    });
    expect(
      infoOf('flash', { ...cuda, kernel: 'math' }, nodes, { printed: line('MATH') }),
    ).toMatchObject({ asked: { kernel: 'math' }, proof: 'confirmed' });
    expect(
      infoOf('flash', { ...cuda, kernel: 'cudnn' }, nodes, { printed: line('FLASH_ATTENTION') }),
    ).toMatchObject({ proof: 'fallback', reason: 'other-kernel' });
    expect(infoOf('flash', cuda, nodes)).toMatchObject({
      proof: 'not-provable',
      reason: 'not-told',
    });
  });

  it('is none where the profile lacks a layer', () => {
    expect(infoOf('flash', {}, [gqa('CPUExecutionProvider')], { silent: [1] })).toMatchObject({
      proof: 'not-provable',
      reason: 'no-profile',
      evidence: 'the profile lacks nodes of 1 of 2 layers',
    });
  });

  it('holds exact to the CPU, and the file’s own nodes to the provider asked for', () => {
    expect(
      infoOf('exact', { provider: 'webgpu' }, [
        { opType: 'MatMul', provider: 'CPUExecutionProvider' },
      ]),
    ).toMatchObject({ proof: 'confirmed' });
    expect(
      infoOf('original', { provider: 'webgpu' }, [
        { opType: 'Attention', provider: 'CPUExecutionProvider' },
      ]),
    ).toMatchObject({ proof: 'fallback', reason: 'other-provider' });
  });

  it('does not take the local copies for the stream’s own nodes', () => {
    expect(infoOf('flash', {}, [gqa('CPUExecutionProvider')], { scope: 'local/' })).toMatchObject({
      kernel: 'unknown',
      ran: [],
      proof: 'not-provable',
    });
  });
});

describe('the type that a kernel ran in', () => {
  const cpu = { provider: 'CPUExecutionProvider' } as const;
  const half: OwnPrecision = { precision: 'fp16', emulated: false, written: 'fp16' };

  it('is what the profile tells of its nodes, not what was asked for', async () => {
    // Scores that the file computes in fp16, and the runtime in float between two casts of its own.
    const { info } = await original(half, (builder) =>
      attention(
        builder,
        DataType.FLOAT16,
        ['query', 'key', 'value'].map((name) => builder.cast(name, DataType.FLOAT16)),
      ),
    );
    expect(info).toMatchObject({
      precision: 'fp16',
      ran: ['fp32'],
      proof: 'fallback',
      reason: 'other-type',
    });
  });

  it('is confirmed where it is what the nodes are written in', async () => {
    const { info } = await original(FP32, (builder) =>
      attention(builder, DataType.FLOAT, ['query', 'key', 'value']),
    );
    expect(info).toMatchObject({
      ran: ['fp32'],
      kernel: 'MatMul → Softmax → MatMul',
      proof: 'confirmed',
      reason: null,
      evidence: 'profile: 4 nodes on cpu in fp32',
    });
  });

  it('comes after where it ran and before what is not told', () => {
    const webgpu = { provider: 'webgpu', precision: 'fp16' } as const;
    const other = { ...gqa('WebGpuExecutionProvider', 'FlashAttention'), type: 'float16' };
    expect(infoOf('flash', webgpu, [other])).toMatchObject({ ran: ['fp16'], proof: 'confirmed' });
    expect(infoOf('sdpa', {}, [{ opType: 'Attention', ...cpu, type: 'int64' }])).toMatchObject({
      ran: [],
      proof: 'not-provable',
    });
  });

  it('is not confirmed of a bfloat16 file that is run as float32', () => {
    const info = implementationInfos(
      [streamOf('original')],
      [],
      {
        graph: new OnnxGraph(create(ModelProtoSchema, { graph: create(GraphProtoSchema, {}) })),
        executed: [],
        printed: '',
      },
      { precision: 'fp32', emulated: false, written: 'bf16' },
    )[0]!;
    expect(info).toMatchObject({ written: 'bf16', proof: 'fallback', reason: 'other-type' });
  });
});

describe('nodes that the runtime runs as others', () => {
  it('count where one was expanded into several, which go by no name', async () => {
    // ONNX Runtime's CPU provider has no fp16 Softmax, and takes the operator apart.
    const { info, executed } = await original(
      { precision: 'fp16', emulated: false, written: 'fp16' },
      (builder) =>
        attention(
          builder,
          DataType.FLOAT16,
          ['query', 'key', 'value'].map((name) => builder.cast(name, DataType.FLOAT16)),
        ),
    );
    expect(executed.map(({ opType }) => opType)).not.toContain('Softmax');
    expect(info).toMatchObject({
      kernel: 'MatMul → ReduceMax → Sub → Exp → ReduceSum → Div → MatMul',
      evidence: 'profile: 8 nodes on cpu in fp32',
    });
  });

  it('count where a node was merged with another of the same computation', async () => {
    const { graph, executed } = await run((builder) => {
      const product = (): string =>
        builder.op('MatMul', ['query', builder.transpose('key', 0, 1, 3, 2)]);
      return [builder.op('Sqrt', [product()]), builder.op('Exp', [product()])];
    });
    const products = graph.graph.node.filter(({ opType }) => opType === 'MatMul');
    expect(executed.filter(({ opType }) => opType === 'MatMul')).toHaveLength(1);
    const seen = new ExecutedGraph(graph, executed);
    for (const node of products)
      expect(seen.ran(node).map(({ opType }) => opType)).toEqual(['MatMul']);
  });

  it('are found by their name where something was added to it', () => {
    const node = (name: string): NodeProto =>
      create(NodeProtoSchema, { name, opType: 'MatMul', input: [`${name} in`], output: [name] });
    const graph = new OnnxGraph(
      create(ModelProtoSchema, {
        graph: create(GraphProtoSchema, { node: [node('a/MatMul'), node('a/MatMul_1')] }),
      }),
    );
    const fused = {
      name: 'a/MatMul_1_FusedMatMulAndScale',
      opType: 'FusedMatMul',
      provider: 'CPUExecutionProvider',
      programs: [],
      inputTypes: ['float'],
      outputTypes: ['float'],
    };
    const seen = new ExecutedGraph(graph, [fused]);
    expect(graph.graph.node.map((each) => seen.ran(each))).toEqual([[], [fused]]);
  });

  it('are missed where nothing tells of them', async () => {
    const { graph, executed } = await run((builder) => [
      attention(builder, DataType.FLOAT, ['query', 'key', 'value']).at(-1)!,
    ]);
    const seen = new ExecutedGraph(
      graph,
      executed.filter(({ opType }) => opType !== 'Softmax'),
    );
    expect(seen.ran(graph.graph.node.find(({ opType }) => opType === 'Softmax')!)).toEqual([]);
  });
});

describe('what fused attention in float16 keeps its scores in', () => {
  const info = {
    ...infoOf('original', {}, [gqa('CPUExecutionProvider')]),
    ran: ['fp16' as const],
    evidence: 'profile',
  };
  const tell = async (
    kernel: string,
    change: (outputs: Tensors) => Tensors = (outputs) => outputs,
  ): Promise<string> => {
    const runner = inProcessRunner();
    const open: typeof runner.open = async (request, stage) => {
      const session = await runner.open(request, stage);
      return { ...session, run: async (feeds) => change(await session.run(feeds)) };
    };
    return (
      await tellInnerType(
        [{ ...info, kernel }],
        { heads: 4, kvHeads: 2, headDim: 8 },
        { ...runner, open },
      )
    )[0]!.evidence;
  };

  it('is a wider type where scores beyond its range stay finite, and float16 where they become NaN', async () => {
    expect(await tell('GroupQueryAttention')).toBe(
      'profile; scores past 65504 stay finite: a wider type inside',
    );
    expect(await tell('Attention')).toBe('profile; scores past 65504 become NaN: fp16 inside');
  });

  it('is not told where the result is neither', async () => {
    const change = (outputs: Tensors): Tensors =>
      Object.fromEntries(
        Object.entries(outputs).map(([name, tensor]) => [
          name,
          { ...tensor, data: Float32Array.of(1, NaN) },
        ]),
      );
    expect(await tell('Attention', change)).toBe('profile');
  });

  it('is not asked of attention that is written out', async () => {
    expect(await tell('MatMul → Softmax → MatMul')).toBe('profile');
  });
});

/** Q, K and V of two heads of four numbers. */
const FEEDS: Tensors = Object.fromEntries(
  ['query', 'key', 'value'].map((name, phase) => [
    name,
    {
      type: 'float32' as const,
      dims: [1, 2, 3, 4],
      data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i + phase)),
    },
  ]),
);

/** Attention as a file writes it out: QKᵀ, the scale, the softmax, PV, in float32 again. */
function attention(
  builder: GraphBuilder,
  type: DataType,
  [query, key, value]: readonly string[],
): string[] {
  const scores = builder.op('MatMul', [query!, builder.transpose(key!, 0, 1, 3, 2)]);
  const scaled = builder.op('Mul', [scores, builder.cast(builder.float(0.5), type)]);
  const probabilities = builder.op('Softmax', [scaled], { axis: -1n });
  const output = builder.op('MatMul', [probabilities, value!]);
  return [scores, probabilities, output, builder.cast(output, DataType.FLOAT)];
}

async function run(
  build: (builder: GraphBuilder) => string[],
): Promise<{ graph: OnnxGraph; executed: ExecutedNode[] }> {
  const { model } = tinyModel(FEEDS, build);
  return inSession(
    inProcessRunner(),
    { model: { bytes: encodeModel(model), folder: '.' }, profile: true },
    'test',
    async (session) => {
      await session.run(FEEDS);
      return { graph: new OnnxGraph(model), executed: await session.executed() };
    },
  );
}

/** What is said of the file's own nodes, after a run of them. */
async function original(
  own: OwnPrecision,
  build: (builder: GraphBuilder) => string[],
): Promise<{ info: ImplementationInfo; executed: ExecutedNode[] }> {
  let made: string[] = [];
  const { graph, executed } = await run((builder) => (made = build(builder)).slice(-1));
  const site = {
    layer: 0,
    compute: made.slice(0, 3).map((tensor) => graph.producer(tensor)!),
  } as unknown as AttentionSite;
  return {
    info: implementationInfos(
      [streamOf('original')],
      [site],
      { graph, executed, printed: '' },
      own,
    )[0]!,
    executed,
  };
}

describe('toldKernels', () => {
  it('reads the lines among others, colour codes or not', () => {
    const printed =
      'AttentionKernelOptions: FLASH_ATTENTION=1 MATH=1\n\u001B[36mOperator=Attention Node=a/b DataType=bf16 SdpaKernel=CUDNN_FLASH_ATTENTION\u001B[0m\nOperator=GroupQueryAttention Node=c DataType=fp16 SdpaKernel=MATH\nOperator=GroupQueryAttention DataType=fp16 SdpaKernel=MATH\n';
    expect([...toldKernels(printed)]).toEqual([
      ['a/b', new Set(['CUDNN_FLASH_ATTENTION'])],
      ['c', new Set(['MATH'])],
    ]);
    expect(
      [
        ...toldKernels(
          `${printed}Operator=Attention Node=c DataType=fp16 SdpaKernel=FLASH_ATTENTION\n`,
        ),
      ][1],
    ).toEqual(['c', new Set(['MATH', 'FLASH_ATTENTION'])]);
    expect([...toldKernels('')]).toEqual([]);
  });
});
