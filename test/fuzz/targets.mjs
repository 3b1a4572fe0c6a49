/**
 * What is fuzzed: each target writes mutated files and names the command that reads them. `weight` is its share of a
 * run; `broken` is set where a pass would be false for certain, `model` where a pass is checked against ONNX Runtime.
 */
import { DataLocation } from '../../dist/onnx/types.js';
import { decodeModel, encodeModel } from '../../dist/onnx/read.js';
import { mutateBytes } from './bytes.mjs';
import { mutateGraph } from './graphs.mjs';
import { PROMPT_ARGS } from './seeds.mjs';
import { mutateJson, mutateJsonLines } from './values.mjs';

const RUN = ['run', '--model', 'model', '--no-config', '--impl', 'eager,flash', '--format', 'json'];

const text = (value) => new TextEncoder().encode(value);
const json = (value) => text(JSON.stringify(value));

/** The files of a model folder, some of them replaced. */
const folder = (seeds, changed) => ({
  'model/model.onnx': seeds.onnx,
  'model/config.json': json(seeds.config),
  'model/tokenizer.json': json(seeds.tokenizer),
  'model/tokenizer_config.json': json(seeds.tokenizerConfig),
  ...changed,
});

export const TARGETS = {
  graph: {
    weight: 4,
    make: (seeds, random) => {
      const model = decodeModel(Uint8Array.from(seeds.onnx), 'model.onnx');
      const mutants = Array.from({ length: random.pick([1, 1, 1, 2]) }, () =>
        mutateGraph(model, random),
      );
      let bytes;
      try {
        bytes = encodeModel(model);
      } catch {
        // No file can hold this mutant.
        bytes = mutateBytes(seeds.onnx, random);
      }
      const broken =
        mutants.length === 1 &&
        mutants[0].broken &&
        model.graph.initializer.every(({ dataLocation }) => dataLocation !== DataLocation.EXTERNAL);
      return {
        note: mutants.map(({ name }) => name).join(', '),
        files: folder(seeds, { 'model/model.onnx': bytes }),
        args: random.chance(0.2)
          ? ['inspect', '--model', 'model', '--format', 'json']
          : [...RUN, ...PROMPT_ARGS],
        broken,
        model: true,
      };
    },
  },
  onnx: {
    weight: 3,
    make: (seeds, random) => ({
      files: folder(seeds, { 'model/model.onnx': mutateBytes(seeds.onnx, random) }),
      args: [...RUN, ...PROMPT_ARGS],
      model: true,
    }),
  },
  config: {
    weight: 2,
    make: (seeds, random) => ({
      files: folder(seeds, { 'model/config.json': mutateJson(seeds.config, random) }),
      args: random.chance(0.5) ? ['inspect', '--model', 'model'] : [...RUN, ...PROMPT_ARGS],
      model: true,
    }),
  },
  tokenizer: {
    weight: 2,
    make: (seeds, random) => ({
      files: folder(seeds, { 'model/tokenizer.json': mutateJson(seeds.tokenizer, random) }),
      args: [...RUN, '--impl', 'eager,sdpa', ...PROMPT_ARGS],
    }),
  },
  template: {
    weight: 2,
    make: (seeds, random) => {
      const config = random.chance(0.5)
        ? { ...seeds.tokenizerConfig, chat_template: templateOf(seeds, random) }
        : null;
      return {
        files: folder(seeds, {
          'model/tokenizer_config.json': config
            ? json(config)
            : mutateJson(seeds.tokenizerConfig, random),
        }),
        args: [...RUN, '--chat', ...PROMPT_ARGS],
      };
    },
  },
  prompts: {
    weight: 2,
    make: (seeds, random) => ({
      files: folder(seeds, { 'prompts.jsonl': mutateJsonLines(seeds.data, random) }),
      args: [...RUN, '--prompts', 'prompts.jsonl'],
    }),
  },
  npy: {
    weight: 2,
    make: (seeds, random) => ({
      files: folder(seeds, { 'mask.npy': mutateBytes(npyMask(), random) }),
      args: [...RUN, ...PROMPT_ARGS, '--mask', 'mask.npy'],
    }),
  },
  safetensors: {
    weight: 2,
    make: (seeds, random) => {
      const header = { mask: { dtype: 'F32', shape: [1, 1, 6, 6], data_offsets: [0, 144] } };
      const mutated = random.chance(0.5)
        ? safetensors(mutateJson(header, random), maskValues())
        : mutateBytes(safetensors(json(header), maskValues()), random);
      return {
        files: folder(seeds, { 'mask.safetensors': mutated }),
        args: [...RUN, ...PROMPT_ARGS, '--mask', 'mask.safetensors'],
      };
    },
  },
  baseline: {
    weight: 2,
    make: (seeds, random) => ({
      files: folder(seeds, {
        'baseline.json': mutateJson(random.pick([seeds.baseline, seeds.report]), random),
      }),
      args: [
        'run',
        '--model',
        'model',
        '--no-config',
        '--format',
        'json',
        ...PROMPT_ARGS,
        '--baseline',
        'baseline.json',
      ],
    }),
  },
  compare: {
    weight: 4,
    make: (seeds, random) => ({
      files: {
        'a.json': json(seeds.report),
        'b.json': mutateJson(random.pick([seeds.baseline, seeds.report]), random),
      },
      args: ['compare', 'a.json', 'b.json', '--max-regression', '1.5x', '--format', 'json'],
    }),
  },
  merge: {
    weight: 4,
    make: (seeds, random) => ({
      files: { 'a.json': json(seeds.shards[0]), 'b.json': mutateJson(seeds.shards[1], random) },
      args: [
        'merge',
        'a.json',
        'b.json',
        '--format',
        random.pick([
          'json',
          'text',
          'html',
          'markdown',
          'csv',
          'junit',
          'sarif',
          'github',
          'jsonl',
        ]),
      ],
    }),
  },
  history: {
    weight: 2,
    make: (seeds, random) => ({
      files: { 'history.jsonl': mutateJsonLines(seeds.history, random) },
      args: ['history', 'history.jsonl', '--format', random.pick(['text', 'json', 'csv'])],
    }),
  },
  configuration: {
    weight: 3,
    make: (seeds, random) => ({
      files: folder(seeds, { 'attn-diff.yaml': mutateJson(seeds.configuration, random) }),
      args: ['run', '--model', 'model', '--config', 'attn-diff.yaml', '--format', 'json'],
    }),
  },
};

const PIECES = [
  '{% for i in range(10000000) %}',
  '{% endfor %}',
  '{{ messages }}',
  '{{ "a" * 99999999 }}',
  '{% if true %}',
  '{% endif %}',
  '{{',
  '}}',
  '{%',
  '%}',
  '{# ',
  '{% set x = namespace(a=1) %}',
  '{{ x.a.b.c }}',
  "{{ raise_exception('no') }}",
  '{% macro m(a) %}{{ m(a) }}{% endmacro %}{{ m(1) }}',
  '\u0000',
  '{{ messages[0].content | tojson }}',
  '{{ messages | length }}',
  "{{ ''.__class__ }}",
];

function templateOf({ tokenizerConfig: { chat_template: template } }, random) {
  const at = random.below(template.length);
  const end = random.chance(0.5) ? at : random.integer(at, template.length);
  return template.slice(0, at) + random.pick(PIECES) + template.slice(end);
}

function maskValues() {
  return Uint8Array.from(
    Buffer.from(
      Float32Array.from({ length: 36 }, (_, i) => (i % 6 <= Math.floor(i / 6) ? 0 : -1e9)).buffer,
    ),
  );
}

function npyMask() {
  const header =
    `{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 6, 6), }`.padEnd(117) + '\n';
  return Uint8Array.from(
    Buffer.concat([
      Buffer.from([0x93, ...text('NUMPY'), 1, 0, header.length, 0]),
      text(header),
      maskValues(),
    ]),
  );
}

function safetensors(header, data) {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  return Uint8Array.from(Buffer.concat([size, header, data]));
}
