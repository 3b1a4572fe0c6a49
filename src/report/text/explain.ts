import { terminalText } from '../../printable.js';
import { ENOUGH } from '../../metrics/index.js';
import {
  CAUSES,
  type DiffReport,
  type Explanation,
  type Factor,
  type Finding,
  type Recommendation,
} from '../../types.js';
import { shareText } from '../causeText.js';
import { deviationText } from '../deviationText.js';
import { findingLevel } from '../../metrics/index.js';
import { findingText } from '../findingText.js';
import { shardPlaceText } from '../shardText.js';
import { baselineSection } from './baseline.js';
import {
  contextOf,
  facts,
  heading,
  noteLines,
  prose,
  type Context,
  type RenderOptions,
} from './context.js';
import { configurationFacts, modelFacts, titled } from './header.js';
import { formatNumber, plural } from './number.js';
import { fitColumns, table, type Column } from './table.js';
import { verdictSection } from './verdict.js';

/** Factors that a table shows at most, and at least, if further ones explain next to nothing; the rest is in the JSON form. */
const MOST_SHOWN = 8;
const LEAST_SHOWN = 3;
const NEXT_TO_NOTHING = 0.005;

/**
 * What `explain` prints: the model and the batches, a table of factors for each implementation and layer that parts,
 * what that means, which implementation to use, what came of a baseline, and the verdict.
 *
 * @param options see textReport
 * @returns text that ends in a line end
 */
export function explainReport(report: DiffReport, options: RenderOptions): string {
  const context = contextOf(options);
  const sections = [
    shortHeader(report, context),
    ...explanationSections(report, context),
    otherFaults(report, context),
    recommendationSection(report, context),
    baselineSection(report, context),
    verdictSection(report, context),
  ];
  return terminalText(
    `${sections
      .filter((lines) => lines.length > 0)
      .map((lines) => lines.join('\n'))
      .join('\n\n')}\n`,
  );
}

function shortHeader(report: DiffReport, context: Context): string[] {
  const { environment, reference, implementations, model, batches, shard } = report;
  const others = implementations.map(({ name }) => name).filter((name) => name !== reference);
  const batchText = ({
    name,
    size,
    length,
    padding,
    tokens,
  }: DiffReport['batches'][number]): string =>
    `${name}: ${size} × ${length}, padded on the ${padding}, ${tokens.valid} valid`;
  return [
    ...titled(
      `attn-diff ${environment.attnDiff} explain`,
      `${others.join(', ') || 'nothing'} against ${reference}`,
      context,
    ),
    '',
    ...facts(
      [
        ...configurationFacts(report),
        ...modelFacts(model),
        ...batches.map((batch, i) => [i === 0 ? 'Batches' : '', batchText(batch)] as const),
        ...(shard ? [['Shard', shardPlaceText(shard, batches)] as const] : []),
      ],
      context,
    ),
  ];
}

/** One part for each implementation: a table per layer, and what they mean together. */
function explanationSections(report: DiffReport, context: Context): string[][] {
  return explanationGroups(report).map((group) => [
    heading(
      `${group[0]!.implementation} against ${report.reference}, batch ${group[0]!.batch}`,
      context,
    ),
    ...noteLines(noteText(group[0]!), context),
    ...group.flatMap((explanation) => layerLines(explanation, context)),
    '',
    ...prose(conclusion(report, group), context),
  ]);
}

/** The explanations of one implementation in one batch together. */
export function explanationGroups(report: Pick<DiffReport, 'explanations'>): Explanation[][] {
  const groups = new Map<string, Explanation[]>();
  for (const explanation of report.explanations) {
    const key = JSON.stringify([explanation.implementation, explanation.batch]);
    groups.set(key, [...(groups.get(key) ?? []), explanation]);
  }
  return [...groups.values()];
}

/** What was changed, and what its numbers are. */
export function noteText({ implementation, changed, standIn, reference }: Explanation): string {
  const base =
    standIn === null ? changed : `${changed}, rebuilt as ${standIn} because that has every setting`;
  const held = changed === reference ? implementation : reference;
  return `Changed one at a time, on the same Q, K, V: ${base}. rel L2: what is left between that and ${held}. explained: the share of the squared difference that is gone.`;
}

function layerLines(explanation: Explanation, context: Context): string[] {
  const { layer, relL2, factors } = explanation;
  const shown = shownFactors(explanation);
  const columns = fitColumns(columnsOf(context), shown, context.width).columns;
  const left = factors.length - shown.length;
  return [
    '',
    ...prose(`Layer ${layer}: relative L2 ${formatNumber(relL2)} before any change`, context),
    ...(shown.length === 0 ? [] : table(columns, shown, context)),
    ...(left > 0
      ? noteLines(`${plural(left, 'other change')} explained less; see --format json.`, context)
      : []),
  ];
}

/** Those that explain most, where not all of them are worth a line. */
export function shownFactors({ factors }: Explanation): Factor[] {
  return factors.filter(
    ({ explained }, i) => i < LEAST_SHOWN || (i < MOST_SHOWN && explained >= NEXT_TO_NOTHING),
  );
}

function columnsOf({ paint }: Context): Column<Factor>[] {
  return [
    { head: 'change', cell: changeText, max: 80 },
    { head: 'rel L2', align: 'right', cell: ({ relL2 }) => formatNumber(relL2) },
    {
      head: 'explained',
      align: 'right',
      cell: ({ explained }) => shareText(explained),
      paint: (text, { explained }) => (explained >= ENOUGH ? paint.green(text) : paint.dim(text)),
    },
  ];
}

export function changeText({ deviation, besides }: Factor): string {
  return `${deviationText(deviation)}${besides ? `, besides ${deviationText(besides)}` : ''}`;
}

/** What the factors of one implementation in one batch mean. */
export function conclusion(report: DiffReport, group: readonly Explanation[]): string {
  const { implementation, reference, batch } = group[0]!;
  const isOfThese = (finding: Finding): boolean =>
    'batch' in finding &&
    finding.batch === batch &&
    'against' in finding &&
    [finding.implementation, finding.against].every(
      (label) => label === implementation || label === reference,
    );
  const cause = report.findings.find(
    (finding) => (CAUSES as readonly string[]).includes(finding.code) && isOfThese(finding),
  );
  if (cause) return findingText(cause, report.reference);
  const best = group[0]!.factors[0];
  const { changed, standIn } = group[0]!;
  const unseen =
    standIn === null
      ? 'a second pass does not show it'
      : `${standIn}, which stands in for ${changed}, is not near it`;
  const hint = best
    ? `what explains most is ${changeText(best)}: ${shareText(best.explained)}`
    : unseen;
  return `No single change explains why ${implementation} parts from ${reference} at layer ${group[0]!.layer}: ${hint}. It may be several faults at once, or one of the kernel itself.`;
}

/** Faults that need no second pass to be understood. */
function otherFaults(
  { findings, explanations, reference }: DiffReport,
  context: Context,
): string[] {
  const isTold = (finding: Finding): boolean =>
    finding.code === 'local-divergence' || (CAUSES as readonly string[]).includes(finding.code);
  const faults = findings.filter(
    (finding) => findingLevel(finding) === 'fault' && !isTold(finding),
  );
  const lines = faults.flatMap((finding) =>
    prose(`✗ ${findingText(finding, reference)}`, context, '  '),
  );
  const finite =
    faults.length > 0
      ? 'what is finite parts by no more than rounding'
      : 'nothing parts by more than rounding';
  const isKernels = faults.some(({ code }) => code === 'kernel-fault');
  const none =
    explanations.length === 0 && !isKernels
      ? prose(`On the same Q, K, V ${finite}: there is no divergence to explain.`, context)
      : [];
  return [
    ...none,
    ...(faults.length > 0
      ? [
          ...(none.length > 0 ? [''] : []),
          heading(none.length > 0 || isKernels ? 'Faults' : 'Besides', context),
          ...lines,
        ]
      : []),
  ];
}

function recommendationSection(report: DiffReport, context: Context): string[] {
  return [heading('Recommendation', context), ...facts(recommendationFacts(report), context)];
}

/** Which implementation to use, and what speaks against the others, as `label, value` pairs. */
export function recommendationFacts({
  recommendation,
  findings,
}: Pick<DiffReport, 'recommendation' | 'findings'>): (readonly [string, string])[] {
  const { training, weights, against } = recommendation;
  return [
    ['Training', training === null ? 'none of these is fit' : trainingText(training)],
    [
      'Weights',
      weights === null
        ? `none of these is fit: only eager returns attention weights${cureText(findings)}`
        : `${settingsText(weights)}, output_attentions=True: sdpa and flash return no attention weights`,
    ],
    ...against.map((entry, i) => [i === 0 ? 'Against' : '', againstText(entry)] as const),
  ];
}

const HUGGING_FACE: Readonly<Record<string, string>> = {
  flash: 'flash_attention_2',
  sdpa: 'sdpa',
  eager: 'eager',
};

function trainingText(label: string): string {
  return `${settingsText(label)}: finite, without fault, and as near to exact as any`;
}

/** `eager:scores=fp32 (attn_implementation="eager" with scores=fp32)` */
function settingsText(label: string): string {
  const [place = '', ...settings] = label.replace(/#\d+$/, '').split(':');
  const [name = ''] = place.split('@');
  return `${label} (attn_implementation="${HUGGING_FACE[name] ?? name}"${settings.length > 0 ? ` with ${settings.join(', ')}` : ''})`;
}

/** Where rounded scores are all that speaks against eager, it is one flag from being fit. */
function cureText(findings: readonly Finding[]): string {
  const isCurable = findings.some(
    ({ code }) => code === 'low-precision-scores' || code === 'score-overflow',
  );
  return isCurable ? '; with --scores-precision fp32 eager may be' : '';
}

function againstText({ implementation, codes }: Recommendation['against'][number]): string {
  return `${implementation}: ${codes.join(', ')}`;
}
