import { beforeAll, describe, expect, it } from 'vitest';
import { parseBenchOptions, parseRunOptions } from '../../src/config/index.js';
import { makeValueInfo, type GraphBuilder } from '../../src/onnx/builder.js';
import { attribute } from '../../src/onnx/graph.js';
import { replaceUses } from '../../src/onnx/rewrite.js';
import { makeTensor } from '../../src/onnx/tensor.js';
import { DataType, type GraphProto } from '../../src/onnx/types.js';
import { prepareBench } from '../../src/pipeline/bench.js';
import { inputNotes } from '../../src/pipeline/inputNotes.js';
import { loadModel, type LoadedModel } from '../../src/pipeline/load.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { resolveSites } from '../../src/pipeline/resolve.js';
import { runDiff } from '../../src/pipeline/run.js';
import { inProcessRunner, inProcessRunners } from '../../src/runners/inProcess.js';
import type { DiffReport, InputNote } from '../../src/types.js';
import { capture, relativeL2 } from '../support/capture.js';
import { fixture } from '../support/fixtures.js';
import { formReference } from '../support/forms.js';
import { PLAIN_FORM, surgeon } from '../support/modelSurgery.js';

const make = surgeon();
const runner = inProcessRunner();
const [HIDDEN, HEADS] = [64, 4];
const ORIGINAL = fixture('forms', PLAIN_FORM);

type Graph = (graph: GraphProto, builder: GraphBuilder) => void;

/** Declares an input anew. */
function declare(
  graph: GraphProto,
  name: string,
  type: DataType,
  shape: readonly (number | string)[],
  as = name,
): void {
  graph.input = graph.input.map((value) =>
    value.name === name ? makeValueInfo(as, type, shape) : value,
  );
}

/** What reads an input reads what is made of it instead; the input has another type, shape or name. */
function instead(
  graph: GraphProto,
  builder: GraphBuilder,
  name: string,
  input: { type: DataType; shape: readonly (number | string)[]; as?: string },
  build: (input: string) => string,
): void {
  const as = input.as ?? name;
  const old = `${name}/inner`;
  replaceUses(graph.node, name, old);
  declare(graph, name, input.type, input.shape, as);
  const made = build(as);
  builder.nodes.findLast(({ output }) => output[0] === made)!.output = [old];
}

const AXES = ['batch', 'sequence'];
/** The mask that eager adds to the scores, wherever it is made: an Add in front of each Softmax. */
function maskReaders(graph: GraphProto): GraphProto['node'] {
  return graph.node.filter(
    (node) =>
      node.opType === 'Add' &&
      graph.node.some(({ opType, input }) => opType === 'Softmax' && input[0] === node.output[0]),
  );
}

/** Has a graph take its mask whole; what made it goes. */
function wholeMask(
  graph: GraphProto,
  builder: GraphBuilder,
  type: DataType,
  build: (mask: string) => string,
): void {
  const made = build('mask');
  for (const node of maskReaders(graph)) node.input[1] = made;
  graph.input = [
    ...graph.input.filter(({ name }) => name !== 'attention_mask'),
    makeValueInfo('mask', type, ['batch', 1, 'sequence', 'sequence']),
  ];
}

const additive = (builder: GraphBuilder, kept: string): string =>
  builder.op('Where', [kept, builder.float(0), builder.float(-3.4e38)]);
const bool = (builder: GraphBuilder, tensor: string): string => builder.cast(tensor, DataType.BOOL);

/** By name: the graph, and what is said of it. */
const FORMS: Record<string, { graph: Graph; notes: InputNote[] }> = {
  'int32 ids, mask and positions': {
    graph: (graph, builder) => {
      for (const name of ['input_ids', 'attention_mask', 'position_ids'])
        instead(graph, builder, name, { type: DataType.INT32, shape: AXES }, (input) =>
          builder.cast(input, DataType.INT64),
        );
    },
    notes: [],
  },
  'a float mask, 1 on what is kept': {
    graph: (graph, builder) =>
      instead(graph, builder, 'attention_mask', { type: DataType.FLOAT, shape: AXES }, (input) =>
        builder.cast(input, DataType.INT64),
      ),
    notes: [],
  },
  'a float mask that is added': {
    graph: (graph, builder) =>
      instead(graph, builder, 'attention_mask', { type: DataType.FLOAT, shape: AXES }, (input) =>
        builder.cast(builder.op('Equal', [input, builder.float(0)]), DataType.INT64),
      ),
    notes: [{ code: 'fed-as', input: 'attention_mask', as: 'mask, added' }],
  },
  'a 4D mask that is added': {
    graph: (graph, builder) => wholeMask(graph, builder, DataType.FLOAT, (mask) => mask),
    notes: [{ code: 'fed-as', input: 'mask', as: '4D mask, added' }],
  },
  'a boolean 4D mask, true on what is kept': {
    graph: (graph, builder) =>
      wholeMask(graph, builder, DataType.BOOL, (mask) => additive(builder, mask)),
    notes: [{ code: 'fed-as', input: 'mask', as: '4D mask, 1 kept' }],
  },
  'a boolean 4D mask, true on what is masked': {
    graph: (graph, builder) =>
      wholeMask(graph, builder, DataType.BOOL, (mask) =>
        additive(builder, builder.op('Not', [mask])),
      ),
    notes: [{ code: 'fed-as', input: 'mask', as: '4D mask, 1 masked' }],
  },
  'an integer 4D mask': {
    graph: (graph, builder) =>
      wholeMask(graph, builder, DataType.INT64, (mask) => additive(builder, bool(builder, mask))),
    notes: [{ code: 'fed-as', input: 'mask', as: '4D mask, 1 kept' }],
  },
  'positions of three axes': {
    graph: (graph, builder) =>
      instead(
        graph,
        builder,
        'position_ids',
        { type: DataType.INT64, shape: [3, ...AXES] },
        (input) => builder.op('Gather', [input, builder.int(2)], { axis: 0n }),
      ),
    notes: [],
  },
  'names that say nothing': {
    graph: (graph, builder) => {
      for (const [i, name] of ['attention_mask', 'position_ids', 'input_ids'].entries())
        instead(
          graph,
          builder,
          name,
          { type: DataType.INT64, shape: AXES, as: `arg${i}` },
          (input) => builder.op('Identity', [input]),
        );
    },
    notes: [
      { code: 'fed-as', input: 'arg2', as: 'token ids' },
      { code: 'fed-as', input: 'arg0', as: 'mask' },
      { code: 'fed-as', input: 'arg1', as: 'positions' },
    ],
  },
  embeddings: {
    graph: (graph) => {
      const look = graph.node.find(
        ({ opType, input }) => opType === 'Gather' && input[1] === 'input_ids',
      )!;
      graph.node = graph.node.filter((node) => node !== look);
      replaceUses(graph.node, look.output[0]!, 'inputs_embeds');
      declare(graph, 'input_ids', DataType.FLOAT, [...AXES, HIDDEN], 'inputs_embeds');
    },
    notes: [{ code: 'embedding', input: 'inputs_embeds', table: 'model.embed_tokens.weight' }],
  },
  'an input that nothing reads': {
    graph: (graph) => void graph.input.push(makeValueInfo('unread', DataType.FLOAT, ['batch', 3])),
    notes: [{ code: 'fed-as', input: 'unread', as: 'zeros' }],
  },
};

describe('an input of another kind gives what the usual one gives', () => {
  const { batch, tensors } = formReference(PLAIN_FORM, 'left');
  const expected = tensors.get('eager.logits')!;

  it.each(Object.keys(FORMS))('%s', async (name) => {
    const { graph, notes } = FORMS[name]!;
    const path = make(name.replaceAll(/\W+/g, '-'), { graph, prune: name.includes('4D') });
    const run = await capture(path, batch, ['eager', 'original']);
    expect(inputNotes(run.loaded)).toEqual(notes);
    for (const stream of ['eager', 'original'])
      expect(
        relativeL2(
          run.tensor('logits', null, stream),
          expected as never,
          (token) => batch.kinds[token] === 'valid',
        ),
      ).toBeLessThanOrEqual(1e-5);
  });
});

/**
 * Declares one size of batch and of rows, and has nodes rely on it as exporters do: heads are parted by a constant shape,
 * and the mask's rows are named by constant indices.
 */
const fixedTo =
  (batch: number, length: number | null): Graph =>
  (graph, builder) => {
    for (const { name } of graph.input)
      declare(graph, name, DataType.INT64, [batch, length ?? 'sequence']);
    if (length === null) return;
    for (const node of graph.node) {
      const parts =
        node.opType === 'Reshape' &&
        graph.node.some(
          (next) =>
            next.opType === 'Transpose' &&
            next.input[0] === node.output[0] &&
            attribute(next, 'perm')?.ints.join() === '0,2,1,3',
        );
      if (parts) node.input[1] = builder.ints(batch, length, -1, HIDDEN / HEADS);
    }
    const rows = Array.from({ length: batch * length }, (_, i) => [
      Math.floor(i / length),
      i % length,
    ]).flat();
    graph.initializer.push(makeTensor('rows', 'int64', rows, [batch, length, 2]));
    instead(
      graph,
      builder,
      'attention_mask',
      { type: DataType.INT64, shape: [batch, length] },
      (mask) => builder.op('GatherND', [mask, 'rows']),
    );
  };

const prepared = (model: string, options: object = {}): ReturnType<typeof prepareRun> =>
  prepareRun(parseRunOptions({ model, random: '3x10', impl: 'eager,original', ...options }));

/** The losses that the file of open sizes has, by the length that rows are padded to. */
const openLosses = new Map<number | null, Promise<DiffReport>>();
function openReport(length: number | null): Promise<DiffReport> {
  const report =
    openLosses.get(length) ??
    prepared(ORIGINAL, length === null ? {} : { length: `${length}` }).then((open) =>
      runDiff(open, inProcessRunners()),
    );
  openLosses.set(length, report);
  return report;
}

describe('a file of fixed sizes', () => {
  it.each([
    [1, null],
    [1, 12],
    [2, 12],
  ])(
    'of batch %s and length %s is run with its batch axis opened, and compared with itself',
    async (batch, length) => {
      const report = await runDiff(
        await prepared(make(`fixed-${batch}-${length}`, { graph: fixedTo(batch, length) })),
        inProcessRunners(),
      );
      const rows = report.rows.filter(
        ({ tap, implementation, kind }) =>
          tap === 'logits' && implementation === 'original' && kind === 'valid',
      );
      expect(rows.every(({ relL2 }) => relL2 <= 1e-5)).toBe(true);
      expect(report.batches.map((each) => [each.size, each.length])).toEqual([
        [3, length ?? 10],
        [3, length ?? 10],
      ]);
      expect(report.rebuild.originalRelL2).toBeLessThanOrEqual(1e-6);
      expect(report.inputNotes).toEqual([
        { code: 'fixed-batch', input: 'input_ids', size: batch },
        ...(length === null ? [] : [{ code: 'fixed-length', input: 'input_ids', size: length }]),
      ]);
      // The same as the file of open sizes, on the same tokens.
      const open = await openReport(length);
      const losses = ({ effects }: DiffReport): number[] => effects.map(({ loss }) => loss);
      for (const [i, loss] of losses(report).entries())
        expect(loss / losses(open)[i]!).toBeCloseTo(1, 5);
    },
  );

  it('that depends on its batch is refused by the input that fixes it', async () => {
    const path = make('baked', {
      graph: (graph, builder) => {
        fixedTo(2, 12)(graph, builder);
        // Each row is weighed by its number.
        graph.initializer.push(makeTensor('weights_by_row', 'float32', [1, 1.5], [2, 1, 1]));
        const look = graph.node.find(
          ({ opType, input }) => opType === 'Gather' && input[1] === 'input_ids',
        )!;
        const [old] = look.output as [string];
        look.output = ['looked_up'];
        builder.op('Mul', ['looked_up', 'weights_by_row']);
        builder.nodes.at(-1)!.output = [old];
      },
    });
    await expect(runDiff(await prepared(path), inProcessRunners())).rejects.toMatchObject({
      code: 'input-not-supported',
      exitCode: 3,
      args: { name: 'input_ids', type: 'int64', shape: [2, 12], remedy: 'dynamic' },
    });
  });

  const fixed = make('fixed', { graph: fixedTo(1, 12) });

  it.each([
    [
      'a length of its own',
      { length: '8' },
      {
        code: 'bad-option',
        args: {
          option: '--length',
          problem: 'the input "input_ids" (int64[1, 12]) takes rows of 12 tokens',
        },
      },
    ],
    ['longer rows', { random: '1x20' }, { code: 'bad-option', args: { option: '--random' } }],
  ])('takes no %s', async (_, options, error) => {
    await expect(prepared(fixed, options)).rejects.toMatchObject(error);
  });

  it('is timed at its sizes alone', async () => {
    const bench = (lengths: string, batch: string): ReturnType<typeof prepareBench> =>
      prepareBench(parseBenchOptions({ model: fixed, impl: 'original,eager', lengths, batch }));
    await expect(bench('8', '1')).rejects.toMatchObject({
      code: 'bad-option',
      args: { option: '--lengths' },
    });
    await expect(bench('12', '2')).rejects.toMatchObject({
      code: 'bad-option',
      args: { option: '--batch' },
    });
    await expect(bench('12', '1')).resolves.toBeDefined();
  });

  it('of one token, or with a cache of fixed length, is refused', async () => {
    await expect(
      loadModel(make('step', { graph: fixedTo(1, 1) })).then((loaded) =>
        resolveSites(loaded, runner),
      ),
    ).rejects.toMatchObject({
      code: 'input-not-supported',
      args: {
        name: 'input_ids',
        problem: 'it fixes rows to 1 token, as for decoding step by step',
      },
    });
    const cached = fixture('forms', 'qwen2-optimum');
    const surgery = makeCached('cache', {
      graph: (graph) =>
        declare(graph, 'past_key_values.0.key', DataType.FLOAT, ['batch', 2, 8, 16]),
    });
    await expect(loadModel(cached)).resolves.toBeDefined();
    await expect(loadModel(surgery)).rejects.toMatchObject({
      code: 'input-not-supported',
      args: {
        name: 'past_key_values.0.key',
        shape: ['batch', 2, 8, 16],
        problem: 'it is a cache that always holds 8 tokens',
        remedy: 'cache',
      },
    });
  });
});

const makeCached = surgeon('qwen2-optimum');

describe('a file without a mask', () => {
  const path = make('no-mask', {
    graph: (graph, builder) => {
      const ones = builder.op('Expand', [builder.int(1), builder.op('Shape', ['input_ids'])]);
      replaceUses(graph.node, 'attention_mask', ones);
      graph.input = graph.input.filter(({ name }) => name !== 'attention_mask');
    },
  });
  let report: DiffReport;
  beforeAll(async () => {
    report = await runDiff(
      await prepared(path, { random: '4x9', impl: 'eager,flash,original' }),
      inProcessRunners(),
    );
  });

  it('has rows of different lengths in batches of their own, without padding', () => {
    expect(report.batches.reduce((rows, { size }) => rows + size, 0)).toBe(4);
    expect(new Set(report.batches.map(({ length }) => length)).size).toBe(report.batches.length);
    expect(
      report.batches.every(
        ({ name, length, tokens }) =>
          name === `length-${length}` && tokens.padding + tokens.fullyMasked === 0,
      ),
    ).toBe(true);
    expect(report.inputNotes).toEqual([{ code: 'no-mask' }]);
    expect(report.verdict.passed).toBe(true);
    expect(report.findings.some(({ code }) => code === 'wrong-mask')).toBe(false);
  });

  it('gives what the file with a mask gives on the same rows', async () => {
    const open = await runDiff(
      await prepared(ORIGINAL, { random: '4x9', padding: 'right' }),
      inProcessRunners(),
    );
    const total = ({ effects }: DiffReport): number =>
      effects
        .filter(({ implementation }) => implementation === 'eager')
        .reduce((sum, { loss, targets }) => sum + (targets > 0 ? loss * targets : 0), 0);
    expect(total(report) / total(open)).toBeCloseTo(1, 5);
  });

  it('takes no packed rows', async () => {
    await expect(prepared(path, { pack: true })).rejects.toMatchObject({
      code: 'bad-option',
      args: { option: '--pack' },
    });
  });
});

describe('inputs that cannot be fed', () => {
  const load = (graph: Graph): Promise<LoadedModel> =>
    loadModel(make(`${refusals++}`, { graph, config: { tie_word_embeddings: false } }));
  let refusals = 0;

  it.each<[string, Graph, object]>([
    [
      'embeddings whose table is elsewhere',
      (graph, builder) => {
        FORMS['embeddings']!.graph(graph, builder);
        graph.initializer = graph.initializer.filter(
          ({ name }) => name !== 'model.embed_tokens.weight',
        );
      },
      {
        name: 'inputs_embeds',
        type: 'float32',
        shape: ['batch', 'sequence', HIDDEN],
        remedy: 'ids',
      },
    ],
    [
      'an image',
      (graph, builder) => {
        graph.input.push(
          makeValueInfo('pixel_values', DataType.FLOAT, ['images', 3, 'height', 'width']),
        );
        const look = graph.node.find(
          ({ opType, input }) => opType === 'Gather' && input[1] === 'input_ids',
        )!;
        const [old] = look.output as [string];
        look.output = ['looked_up'];
        builder.op('Add', [
          'looked_up',
          builder.op('ReduceMean', ['pixel_values', builder.ints(0, 1, 2, 3)], { keepdims: 0n }),
        ]);
        builder.nodes.at(-1)!.output = [old];
      },
      { name: 'pixel_values', shape: ['images', 3, 'height', 'width'], remedy: 'text' },
    ],
    [
      'what masks and positions are both made of',
      (graph, builder) => {
        instead(
          graph,
          builder,
          'attention_mask',
          { type: DataType.INT64, shape: AXES, as: 'tokens' },
          (input) => builder.op('Identity', [input]),
        );
        const made = builder.op('CumSum', ['tokens', builder.int(1)]);
        replaceUses(graph.node, 'position_ids', made);
        graph.input = graph.input.filter(({ name }) => name !== 'position_ids');
      },
      {
        name: 'tokens',
        shape: AXES,
        problem: 'masks and positions are both made of it, so that it could be either',
        remedy: 'standard',
      },
    ],
  ])('%s: named with type and shape', async (_, graph, args) => {
    await expect(load(graph)).rejects.toMatchObject({
      code: 'input-not-supported',
      exitCode: 3,
      args,
    });
  });
});
