import type { DiffReport, Inspection, LogitsTokens, OutputInfo, OutputKind } from '../types.js';
import { listText } from './listText.js';
import { formatCount } from './text/number.js';

const KINDS: Readonly<Record<OutputKind, string>> = {
  logits: 'logits',
  'hidden-states': 'hidden states',
  embedding: 'one vector a row',
  scores: 'scores of each row',
  'token-scores': 'scores of each token',
  'attention-weights': 'attention weights',
  cache: 'cache',
  other: 'something else',
};

/** How the attention of a model that is not causal ends in a report. */
const BIDIRECTIONAL = 'bidirectional';

/** Outputs that are named one by one; of more, such as the caches of every layer, there is a count. */
const NAMED = 4;

/** Whether a run was to have a loss, KL and flips: the file's logits are of every token, or of some that have a next one. */
export function hasEffects({ logits, effects }: Pick<DiffReport, 'logits' | 'effects'>): boolean {
  return logits?.tokens === 'all' || effects.length > 0;
}

const LOGITS: Readonly<Record<LogitsTokens, string>> = {
  all: 'logits of every token',
  last: 'logits of the last token of each row alone',
  some: 'logits of some tokens alone',
};

/** What a file gives out, a line for each output, the caches together; last, why there is no loss where there is none. */
export function outputLines({
  outputs,
  logits,
  model,
}: Pick<Inspection, 'outputs' | 'logits' | 'model'>): string[] {
  const caches = outputs.filter(({ kind }) => kind === 'cache');
  const others = outputs.filter(({ kind }) => kind !== 'cache');
  const isChosen = ({ name }: OutputInfo): boolean => name === logits?.output;
  const what = (output: OutputInfo): string => {
    if (!logits || !isChosen(output))
      return output.kind === 'logits' ? 'logits, of which nothing is said' : KINDS[output.kind];
    return `${LOGITS[logits.tokens]}${logits.width === model.vocabSize ? '' : `, ${formatCount(logits.width)} for a vocabulary of ${formatCount(model.vocabSize)}`}`;
  };
  return [
    ...others.map(
      (output) => `${output.name}: ${output.type}[${output.shape.join(', ')}], ${what(output)}`,
    ),
    ...(caches.length === 0
      ? []
      : [
          caches.length === 1
            ? `${caches[0]!.name}: a cache`
            : `${caches[0]!.name} to ${caches.at(-1)!.name}: ${caches.length} caches`,
        ]),
    ...(logits === null
      ? [
          `no logits over the vocabulary of ${formatCount(model.vocabSize)}, so that a run has no loss, KL or flips`,
        ]
      : []),
  ];
}

/** Why a run has no loss, KL and flips, or has them of some tokens only; null where it has them of all, and they mean what they usually do. */
export function lossNote({
  outputs,
  logits,
  effects,
  model,
}: Pick<DiffReport, 'outputs' | 'logits' | 'effects' | 'model'>): string | null {
  if (logits === null) {
    const first = outputs.find(({ kind }) => kind === 'logits');
    const why = first
      ? `it cannot be told which tokens the logits of output ${first.name} are of`
      : `no output of the file is logits over the vocabulary of ${formatCount(model.vocabSize)}: it has ${outputsText(outputs)}`;
    return `No loss, perplexity, KL or flips: ${why}. Attention and hidden states are compared as usual.`;
  }
  if (logits.tokens === 'all')
    return model.attention.endsWith(BIDIRECTIONAL)
      ? 'The model attends in both directions, so that each token is predicted from what holds it: loss and perplexity are none of a language model. KL and flips compare all the same.'
      : null;
  const which = logits.tokens === 'last' ? 'the last token of each row alone' : 'some tokens alone';
  const loss =
    effects.length === 0
      ? ' No loss, perplexity, KL or flips: no batch holds the token after one of these.'
      : '';
  return `The file gives logits of ${which}: what is said of logits is of those.${loss}`;
}

function outputsText(outputs: readonly OutputInfo[]): string {
  const named = outputs.filter(({ kind }) => kind !== 'cache');
  const shown = named.slice(0, NAMED).map(({ name, kind }) => `${name} (${KINDS[kind]})`);
  const rest = outputs.length - shown.length;
  return listText([
    ...shown,
    ...(rest > 0 ? [shown.length === 0 ? `${rest} caches` : `${rest} more`] : []),
  ]);
}
