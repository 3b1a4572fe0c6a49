import { CHECK_NAMES, type Check, type CheckName, type CheckSource } from '../types.js';
import { placeText, KIND_TEXT } from './text/kinds.js';
import { argumentsFor, commandText, type Commanded } from './commandText.js';
import { regressionSentences } from './regressionText.js';
import { formatCosine, formatCount, formatLimit, formatNumber, plural } from './text/number.js';

/** What the number of a check is, as a reader would call it. */
const MEASURED: Readonly<Record<CheckName, string>> = {
  'max-abs': 'max|Δ|',
  'min-cosine': 'min cosine',
  'max-ratio': "error against exact over that of eager at the run's precision",
  'mean-l2': 'mean L2',
  'rel-l2': 'relative L2',
  'mean-cosine': 'mean cosine',
  bias: '|bias|',
  'exact-abs': 'max|Δ| against exact',
  'exact-rel-l2': 'relative L2 against exact',
  'ratio-fp32': 'error against exact over that of eager in fp32',
  loss: '|Δ loss|',
  kl: 'KL',
  flips: 'share of predictions that change',
  'non-finite': 'NaN and Inf',
  compared: 'valid tokens compared',
  completed: 'completed',
  kernel: 'kernel',
  finding: 'finding',
  regression: 'against the baseline',
};

const number = (name: CheckName, value: number): string =>
  name.endsWith('cosine') ? formatCosine(value) : formatNumber(value);

/** `relative L2 of flash`: what a check measures. */
export function measuredText({ name, subject }: Pick<Check, 'name' | 'subject'>): string {
  return name === 'regression' && subject === 'compared'
    ? 'numbers compared with the baseline'
    : name === 'regression' && subject !== null
      ? `${metricText(subject)} ${MEASURED.regression}`
      : MEASURED[name];
}

/** The number that a budget of this name is on, or the name itself where there is no such budget. */
export function metricText(name: string): string {
  return CHECK_NAMES.some((known) => known === name) ? MEASURED[name as CheckName] : name;
}

/** The value that was seen, as it is written for a reader. */
export function actualText({
  name,
  actual,
  subject,
}: Pick<Check, 'name' | 'actual' | 'subject'>): string {
  return name === 'non-finite' || name === 'compared' || subject === 'compared'
    ? formatCount(actual)
    : number(name, actual);
}

/** `layer 3, attention, local, batch left, valid tokens`; empty where a check has no place. */
export function checkPlace({
  layer,
  tap,
  scope,
  batch,
  kind,
}: Pick<Check, 'layer' | 'tap' | 'scope' | 'batch' | 'kind'>): string {
  const parts = [
    layer !== null || tap !== null ? placeText(layer, tap) : null,
    scope,
    batch === null ? null : `batch ${batch}`,
    kind === null || kind === 'valid' || tap === null ? null : `${KIND_TEXT[kind]} tokens`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

/** The nearest limit that would let a check pass, with all its digits; null where none would. */
export function passingLimit({
  operator,
  actual,
  name,
}: Pick<Check, 'operator' | 'actual' | 'name'>): string | null {
  if (!Number.isFinite(actual) || operator === '==' || operator === '>' || name === 'regression')
    return null;
  return formatLimit(actual);
}

/** Where a limit was set, and so where to change it. */
export function sourceText(source: CheckSource): string {
  switch (source.kind) {
    case 'always':
      return '';
    case 'flag':
      return source.flag;
    case 'config':
      return `${source.path}:${source.line}, ${source.key}`;
    case 'default':
      return source.precision === 'same'
        ? 'by default two streams of one computation give the same bits'
        : `the default for ${source.precision}`;
    case 'baseline':
      return `the baseline ${source.path}`;
  }
}

/** What is checked, without what came of it, and so the same in every run: `rel-l2, local, by default`. */
export function checkTitle({
  name,
  subject,
  scope,
  source,
}: Pick<Check, 'name' | 'subject' | 'scope' | 'source'>): string {
  const parts = [
    subject === null ? name : `${name} ${subject}`,
    source.kind === 'default' ? scope : null,
    source.kind === 'default' ? 'by default' : source.kind === 'config' ? source.key : null,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

function limitSentence(check: Check): string {
  const { name, operator, source } = check;
  const limit = passingLimit(check);
  if (limit === null)
    return name === 'max-ratio' || name === 'ratio-fp32'
      ? 'No limit lets this pass.'
      : 'No limit lets NaN or Inf pass.';
  const which = operator === '<=' ? 'Smallest' : 'Largest';
  return `${which} limit that passes: ${source.kind === 'flag' ? `${source.flag} ${limit}` : source.kind === 'config' ? `${limit}, at ${sourceText(source)}` : source.kind === 'default' ? `${limit} (a budget of your own, or --default-budgets off)` : limit}.`;
}

/** The arguments of attn-diff that show a missed check again: where it is about the run as a whole, those of that. */
export function checkArguments(check: Check, report: Commanded): string[] {
  // Fewer implementations or batches may leave an entry of a budget without what it matches.
  const isListed =
    report.verdict?.checks.some(
      ({ source }) => source.kind === 'config' && source.key.startsWith('budgets['),
    ) ?? false;
  return isListed || check.name === 'compared' || check.name === 'completed' || isUnmeasured(check)
    ? report.command
    : argumentsFor(check, report);
}

/** The command that shows a missed check again. */
export function checkCommand(check: Check, report: Commanded): string {
  return commandText(checkArguments(check, report));
}

/** Whether a budget found nothing that it could be measured on. */
function isUnmeasured(check: Check): boolean {
  return check.name !== 'non-finite' && checkPlace(check) === '' && Number.isNaN(check.actual);
}

/**
 * A check that was missed, in sentences on one line: layer, implementation, metric, value, limit, and the nearest limit
 * that would pass and where it is set.
 */
export function checkSentences(check: Check): string {
  const { name, level, actual, expected, operator, implementation, source, subject } = check;
  const place = checkPlace(check);
  switch (name) {
    case 'compared':
      if (subject !== null)
        return `compared: ${subject} of the file ${subject.includes(' and ') ? 'are' : 'is'} the same for every token, so that nothing which an implementation does would show, and comparing nothing is a failure. Look at the weights of the file.`;
      return 'compared: no valid token was compared with the reference, and comparing nothing is a failure. Name a second implementation (--impl), or give prompts that hold text.';
    case 'completed':
      return `completed, ${implementation}: it did not run to its end (see the findings). Leave it out of --impl to pass without it.`;
    case 'kernel':
      return `kernel, ${implementation}: it is not shown to have run the kernel that it asks for (--require-kernel; see what ran). Ask for the kernel that runs, or drop --require-kernel.`;
    case 'finding':
      return `finding, ${implementation}: ${subject}${place === '' ? '' : ` at ${place}`} (see the findings).`;
    case 'non-finite':
      return `non-finite, ${implementation}: ${plural(actual, 'NaN or Inf element')} on valid tokens, the first at ${place}; 0 are allowed. Only --fail-on none lets them pass.`;
    case 'regression':
      return regressionSentences(check, metricText(subject ?? ''), place);
    default: {
      const limit = `the limit is ${formatLimit(expected)}${source.kind === 'flag' || source.kind === 'always' ? '' : ` (${sourceText(source)})`}`;
      if (isUnmeasured(check) && subject !== null)
        return `${name}: ${subject}, which the budget names, matches nothing that was measured${level === 'error' ? ', and comparing less than was asked is a failure' : ''}; ${limit}. Correct it, or take it out of the budget.`;
      if (isUnmeasured(check))
        return `${name}, ${implementation}: there is nothing that it could be measured on${level === 'error' ? ', and comparing nothing is a failure' : ''}; ${limit}. Look at the implementations, layers, taps, batches and kinds that it names.`;
      return `${name}, ${implementation}: ${measuredText(check)} is ${actualText(check)} at ${place}; ${operator === '<=' || operator === '>=' ? limit : formatLimit(expected)}. ${limitSentence(check)}`;
    }
  }
}
