import { visible } from '../printable.js';
import type { Inspection } from '../types.js';

/** What a first configuration is made of. */
export interface StarterModel {
  /** As it is to stand in the file. */
  path: string;
  dtype: string | null;
  inspection: Inspection;
  hasTokenizer: boolean;
  /** Where the schema lies, as seen from the file; null where it is not beside it. */
  schema: string | null;
}

/** A key of the file with what is said of it; one that is not set stands there as a comment. */
interface Entry {
  comments: readonly string[];
  key: string;
  value: unknown;
  isSet: boolean;
}

/** Comments are made visible: what a model's file says of itself could otherwise end the one that it stands in. */
const entry = (key: string, value: unknown, ...comments: string[]): Entry => ({
  key,
  value,
  comments: comments.map(visible),
  isSet: true,
});
const example = (key: string, value: unknown, ...comments: string[]): Entry => ({
  ...entry(key, value, ...comments),
  isSet: false,
});

/** Implementations that a first configuration compares, where the model takes them. */
const WANTED = ['eager', 'sdpa', 'flash'] as const;

function entriesOf({ path, dtype, inspection, hasTokenizer, schema }: StarterModel): Entry[] {
  const { model, layers, implementations } = inspection;
  const windows = layers.filter(({ mask }) => mask.window !== null);
  const refused = implementations.filter(
    ({ name, buildable }) => !buildable && WANTED.some((wanted) => wanted === name),
  );
  const isBfloat16 = model.attention.includes('bf16');
  return [
    ...(schema === null ? [] : [entry('$schema', schema)]),
    entry(
      'model',
      path,
      `${model.family}, ${model.layers} layers, ${model.heads} heads (${model.kvHeads} key/value), ${model.precision}, exported by ${model.exporter}, attention ${model.attention}.`,
      ...(windows.length > 0
        ? [
            `${windows.length} of the layers have a sliding window of ${windows[0]!.mask.window} tokens: only prompts longer than that show what it does.`,
          ]
        : []),
    ),
    ...(dtype === null ? [] : [entry('dtype', dtype)]),
    entry(
      'impl',
      WANTED.filter((name) => !refused.some((each) => each.name === name)),
      'What is compared, and with what. The file\'s own nodes are "original".',
      ...refused.map(({ name, reason }) => `Not ${name}: ${reason}.`),
    ),
    entry('reference', 'eager'),
    isBfloat16
      ? entry(
          'precision',
          'bf16',
          'The file computes in bf16, which a CPU does not have: attention is emulated in it.',
        )
      : example('precision', 'bf16', 'To see what a lower precision does, emulated on a CPU:'),
    ...(hasTokenizer
      ? [
          example(
            'data',
            'prompts.jsonl',
            'Your own text, a prompt a line or JSONL with "text" or "messages"; without, a few built-in prompts are run.',
            'Many batches give a loss curve.',
          ),
        ]
      : [
          entry(
            'random',
            '4x64',
            'The model has no tokenizer.json: rows of random tokens stand for prompts.',
          ),
        ]),
    entry(
      'defaultBudgets',
      'error',
      'The limits that attn-diff has for each precision (docs/gate.md): "error" fails the run, "warn" tells, "off" leaves them out.',
    ),
    entry(
      'budgets',
      [],
      'Limits of your own; they replace those where both match, and the later the earlier. For example:',
      inline({ metric: 'rel-l2', tap: 'logits', max: 1e-3, level: 'warn' }),
      inline({
        metric: 'min-cosine',
        layers: `0-${model.layers - 1}`,
        implementation: 'flash',
        min: 0.9999,
      }),
      inline({ metric: 'kl', max: 1e-4 }),
    ),
    example(
      'findings',
      { 'window-not-as-configured': 'error' },
      'How much a finding counts, by its code:',
    ),
    example('requireKernel', true, 'Fail where a kernel is not shown to be the one asked for:'),
    entry(
      'report',
      { html: 'attn-diff.html', junit: 'attn-diff.xml' },
      'What is written besides the text.',
    ),
  ];
}

/** The file as JSON with comments. */
export function starterJson(model: StarterModel): string {
  const entries = entriesOf(model);
  const last = entries.findLastIndex(({ isSet }) => isSet);
  const lines = entries.flatMap(({ comments, key, value, isSet }, i) => [
    ...comments.map((text) => `  // ${text}`),
    `  ${isSet ? '' : '// '}${JSON.stringify(key)}: ${inline(value)}${isSet && i === last ? '' : ','}`,
  ]);
  return `{\n${lines.join('\n')}\n}\n`;
}

/** The file as YAML. */
export function starterYaml(model: StarterModel): string {
  const lines = entriesOf(model).flatMap(({ comments, key, value, isSet }) =>
    key === '$schema'
      ? [`# yaml-language-server: $schema=${String(value)}`]
      : [...comments.map((text) => `# ${text}`), `${isSet ? '' : '# '}${key}: ${inline(value)}`],
  );
  return `${lines.join('\n')}\n`;
}

/** JSON on one line, with spaces; it is YAML too. */
function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}: ${inline(item)}`)
      .join(', ')} }`;
  return JSON.stringify(value);
}
