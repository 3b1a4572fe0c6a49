import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../src/onnx/builder.js';
import { makeTensor } from '../../src/onnx/tensor.js';
import type { GraphProto } from '../../src/onnx/types.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { resolveLogits } from '../../src/pipeline/logits.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { FIXTURES, fixture } from '../support/fixtures.js';
import { FORMS } from '../support/forms.js';
import { enteringHead, giveOut, surgeon, withoutOutputs } from '../support/modelSurgery.js';

const make = surgeon();
const [VOCABULARY, HIDDEN] = [272, 64];

let made = 0;
async function load(
  graph: (graph: GraphProto, builder: GraphBuilder) => void,
  config: object = {},
): Promise<LoadedModel> {
  return loadModel(make(`${made++}`, { graph, config }));
}

const kinds = ({ outputs }: LoadedModel): Record<string, string> =>
  Object.fromEntries(outputs.map(({ name, kind }) => [name, kind]));

/** Another head beside the language model's, with weights [hidden, width]. */
function otherHead(graph: GraphProto, builder: GraphBuilder, width: number): string {
  graph.initializer.push(
    makeTensor(
      'other_head',
      'float32',
      Array.from({ length: HIDDEN * width }, (_, i) => Math.sin(i)),
      [HIDDEN, width],
    ),
  );
  return builder.op('MatMul', [enteringHead(graph), 'other_head']);
}

describe('outputs of the exporters', () => {
  it.each([
    ...FIXTURES.map((name) => [name, fixture(name)] as const),
    ...FORMS.map((form) => [form, fixture('forms', form)] as const),
  ])('%s: logits and caches', async (_, path) => {
    const loaded = await loadModel(path);
    expect(loaded.logits).toEqual({ name: 'logits', width: loaded.sizes.vocabSize });
    const others = loaded.outputs.filter(({ name }) => name !== 'logits');
    expect(others.every(({ name, kind }) => kind === 'cache' && /present/.test(name))).toBe(true);
  });
});

describe('logits', () => {
  it('are found behind other outputs, whatever they are called and whatever else is called so', async () => {
    const loaded = await load((graph, builder) => {
      const entering = enteringHead(graph);
      const inner = withoutOutputs(graph);
      giveOut(graph, builder, 'logits', entering, ['batch', 'sequence', HIDDEN]);
      giveOut(graph, builder, 'prediction', inner, ['batch', 'sequence', 'vocabulary']);
    });
    expect(kinds(loaded)).toEqual({ logits: 'hidden-states', prediction: 'logits' });
    expect(loaded.logits).toEqual({ name: 'prediction', width: VOCABULARY });
  });

  it('are those of every token, where the last token’s are given out too', async () => {
    const loaded = await load((graph, builder) => {
      const inner = withoutOutputs(graph);
      giveOut(
        graph,
        builder,
        'logits',
        builder.op('Gather', [inner, builder.int(-1)], { axis: 1n }),
        ['batch', VOCABULARY],
      );
      giveOut(graph, builder, 'all_logits', inner, ['batch', 'sequence', VOCABULARY]);
    });
    expect(kinds(loaded)).toEqual({ logits: 'logits', all_logits: 'logits' });
    expect(loaded.logits!.name).toBe('all_logits');
  });

  it('are no hidden states that are as wide as the vocabulary', async () => {
    const loaded = await load(
      (graph, builder) => {
        const entering = enteringHead(graph);
        withoutOutputs(graph);
        giveOut(graph, builder, 'last_hidden_state', entering, ['batch', 'sequence', HIDDEN]);
      },
      { vocab_size: HIDDEN },
    );
    expect(kinds(loaded)).toEqual({ last_hidden_state: 'hidden-states' });
    expect(loaded.logits).toBeNull();
  });

  it.each([
    [270, true],
    [265, true],
    [200, false],
    [300, false],
  ])(
    'may be wider than a vocabulary of %i where that is padded: %s',
    async (vocabulary, expected) => {
      const loaded = await load(
        (graph, builder) => {
          const wide = otherHead(graph, builder, 272);
          withoutOutputs(graph);
          giveOut(graph, builder, 'scores', wide, ['batch', 'sequence', 272]);
          // Without its embedding, config.json alone says what the vocabulary is.
          const table = graph.initializer.find(({ dims }) => Number(dims[0]) === VOCABULARY)!;
          const gather = graph.node.find(({ input }) => input[0] === table.name)!;
          gather.input[0] = builder.op('Mul', [table.name, builder.float(1)]);
        },
        { vocab_size: vocabulary },
      );
      expect(loaded.logits !== null).toBe(expected);
    },
  );

  it('are no probabilities', async () => {
    const loaded = await load((graph, builder) =>
      giveOut(
        graph,
        builder,
        'probabilities',
        builder.op('Softmax', [withoutOutputs(graph)], { axis: -1n }),
        ['batch', 'sequence', VOCABULARY],
      ),
    );
    expect(kinds(loaded)).toEqual({ probabilities: 'other' });
  });
});

describe('other outputs', () => {
  it('are told by rank, width and what they come of', async () => {
    const loaded = await load(
      (graph, builder) => {
        const entering = enteringHead(graph);
        const softmax = graph.node.find(({ opType }) => opType === 'Softmax')!;
        const scores = otherHead(graph, builder, 3);
        const first = graph.node.find(({ opType }) => opType === 'Gather')!.output[0]!;
        withoutOutputs(graph);
        giveOut(
          graph,
          builder,
          'logits',
          builder.op('Gather', [scores, builder.int(-1)], { axis: 1n }),
          ['batch', 3],
        );
        giveOut(graph, builder, 'each', scores, ['batch', 'sequence', 3]);
        giveOut(
          graph,
          builder,
          'pooled',
          builder.op('ReduceMean', [entering, builder.ints(1)], { keepdims: 0n }),
          ['batch', HIDDEN],
        );
        giveOut(graph, builder, 'hidden_states.0', first, ['batch', 'sequence', HIDDEN]);
        giveOut(graph, builder, 'attentions.0', softmax.output[0]!, [
          'batch',
          4,
          'sequence',
          'sequence',
        ]);
      },
      { architectures: ['Qwen2ForSequenceClassification'], id2label: { 0: 'a', 1: 'b', 2: 'c' } },
    );
    expect(kinds(loaded)).toEqual({
      logits: 'scores',
      each: 'token-scores',
      pooled: 'embedding',
      'hidden_states.0': 'hidden-states',
      'attentions.0': 'attention-weights',
    });
    expect(loaded.logits).toBeNull();
  });

  it('are scores of a classifier with as many classes as the vocabulary has entries, where config.json says so', async () => {
    const loaded = await load(() => undefined, {
      architectures: ['Qwen2ForTokenClassification'],
      num_labels: VOCABULARY,
    });
    expect(kinds(loaded)).toEqual({ logits: 'token-scores' });
  });
});

describe('which tokens have logits', () => {
  const runner = inProcessRunner();
  const slice = (builder: GraphBuilder, tensor: string, from: number): string =>
    builder.op('Slice', [
      tensor,
      builder.ints(from),
      builder.ints(Number.MAX_SAFE_INTEGER),
      builder.ints(1),
    ]);

  it.each<[string, string, (graph: GraphProto, builder: GraphBuilder) => string]>([
    [
      'all',
      'a slice that leaves all',
      (graph, builder) => before(graph, builder, (tensor) => slice(builder, tensor, 0)),
    ],
    [
      'last',
      'a slice before the head',
      (graph, builder) => before(graph, builder, (tensor) => slice(builder, tensor, -1)),
    ],
    [
      'last',
      'a slice behind the head',
      (graph, builder) => slice(builder, withoutOutputs(graph), -1),
    ],
    [
      'last',
      'the last valid token, chosen by the mask',
      (graph, builder) => before(graph, builder, (tensor) => lastValid(builder, tensor)),
    ],
    [
      'some',
      'a slice of three tokens',
      (graph, builder) => before(graph, builder, (tensor) => slice(builder, tensor, -3)),
    ],
  ])('%s: %s', async (tokens, _, build) => {
    const loaded = await load((graph, builder) =>
      giveOut(graph, builder, 'logits', build(graph, builder), ['batch', 'tokens', VOCABULARY]),
    );
    expect((await resolveLogits(loaded, runner)).logits).toEqual({
      output: 'logits',
      width: VOCABULARY,
      tokens,
    });
  });

  /** Selects tokens in front of the head. */
  function before(
    graph: GraphProto,
    builder: GraphBuilder,
    select: (tensor: string) => string,
  ): string {
    const head = graph.node.findLast(({ opType }) => opType === 'MatMul')!;
    head.input[0] = select(head.input[0]!);
    return withoutOutputs(graph);
  }

  /** The hidden state of each row's last token that is not padding, whichever side is padded: [B, 1, hidden]. */
  function lastValid(builder: GraphBuilder, tensor: string): string {
    const columns = builder.op('CumSum', ['attention_mask', builder.int(1)]);
    const place = builder.op('ArgMax', [builder.op('Mul', [columns, 'attention_mask'])], {
      axis: 1n,
      keepdims: 1n,
    });
    const rows = builder.op('Unsqueeze', [place, builder.ints(2)]);
    const width = builder.op('Expand', [rows, builder.ints(1, 1, HIDDEN)]);
    return builder.op('GatherElements', [tensor, width], { axis: 1n });
  }
});
