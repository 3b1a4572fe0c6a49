import type { ConfigAspect, ConfigPart, NotAsConfigured } from '../types.js';
import { rangesText } from './text/kinds.js';
import { formatLimit } from './text/number.js';

const PARTS: Readonly<Record<ConfigPart, string>> = {
  query: 'queries',
  key: 'keys',
  value: 'values',
  output: 'the output',
  'input-norm': 'the norm before attention',
  'post-attention-norm': 'the norm behind attention',
  'query-norm': 'the norm of queries',
  'key-norm': 'the norm of keys',
  'final-norm': 'the final norm',
};

/** What is compared; `of` is the part, empty for the layer as a whole. */
const SUBJECTS: Readonly<Record<ConfigAspect, (of: string) => string>> = {
  scale: () => 'the scale of the scores',
  rope: (of) => `the rotary embedding of ${of}`,
  'rope-theta': (of) => `theta of the rotary embedding of ${of}`,
  'rope-scaling': (of) => `the scaling of the rotary embedding of ${of}`,
  'rope-width': (of) => `the rotated part of the heads of ${of}, in elements,`,
  'rope-factor': () => 'the attention factor of the rotary embedding',
  'rope-layout': (of) => `the pairing of elements in the rotary embedding of ${of}`,
  'rope-positions': () => 'the position of queries ahead of keys',
  'kv-heads': (of) => `the order in which query heads take the heads of ${of}`,
  'head-order': (of) => `the order of the heads of ${of}`,
  'value-scale': () => 'the factor of values between their projection and the output projection',
  bias: (of) => `the bias of ${of}`,
  'bias-value': (of) => `the bias of ${of}`,
  'qk-norm': (of) => `the norm of ${of}`,
  'norm-epsilon': (of) => `epsilon of ${of}`,
  weights: (of) => `the weight of the projection of ${of}`,
};

const SOURCES: Readonly<
  Record<NotAsConfigured['against'], (isOne: boolean, aspect: ConfigAspect) => string>
> = {
  config: (_, aspect) => (FROM_STRUCTURE.has(aspect) ? 'the model has' : 'config.json asks for'),
  layers: () => 'most layers have',
  query: () => 'that of queries is',
};

/** What no key of config.json says, but the code of every model of these families has. */
const FROM_STRUCTURE: ReadonlySet<ConfigAspect> = new Set<ConfigAspect>([
  'rope-positions',
  'kv-heads',
  'head-order',
  'value-scale',
  'weights',
]);

function subjectOf({ aspect, part }: NotAsConfigured): string {
  return SUBJECTS[aspect](
    part === null ? (aspect === 'weights' ? 'queries, keys and values' : '') : PARTS[part],
  );
}

function valueText(value: NotAsConfigured['found']): string {
  return typeof value === 'number' ? formatLimit(Number(value.toPrecision(6))) : value;
}

function placeOf({ layers }: NotAsConfigured): string {
  if (layers.length === 0) return 'Behind the last layer';
  return `In ${layers.length === 1 ? 'layer' : 'layers'} ${rangesText(layers)}`;
}

/** Where, what was found, and what was expected: `in layer 1 the scale of the scores is 0.125, where config.json asks for 0.25`. */
function deviationSentence(finding: NotAsConfigured): string {
  const { aspect, found, expected, against, layers } = finding;
  const source = SOURCES[against](layers.length === 1, aspect);
  return `${placeOf(finding)} ${subjectOf(finding)} is ${valueText(found)}, where ${source} ${valueText(expected)}`;
}

/** As a clause without a subject of its own. */
export function deviationClause(finding: NotAsConfigured): string {
  const sentence = deviationSentence(finding);
  return sentence[0]!.toLowerCase() + sentence.slice(1);
}

/** The sentences of the finding. */
export function deviationSentences(finding: NotAsConfigured): string {
  const remedy =
    finding.against === 'config' && !FROM_STRUCTURE.has(finding.aspect)
      ? 'Export again, or correct config.json if the file is what was trained.'
      : 'Export again.';
  return `${deviationSentence(finding)}. Every implementation is run with what the file has, so no other number here shows it. ${remedy}`;
}
