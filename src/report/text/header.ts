import type {
  BatchInfo,
  DiffReport,
  EnvironmentInfo,
  FailureKind,
  ImplementationInfo,
  ModelInfo,
  ProofReason,
  RebuildCheck,
} from '../../types.js';
import { precisionText } from '../precisionText.js';
import { configurationClauses, configurationName, isSuspect } from '../configurationText.js';
import { fileText } from '../fileText.js';
import { inputNoteText } from '../inputText.js';
import { shardPlaceText } from '../shardText.js';
import { facts, prose, type Context } from './context.js';
import { rangesText } from './kinds.js';
import { formatCount, formatLimit, formatNumber, plural } from './number.js';

/** What was run, on what, and with which kernels. */
export function header(report: DiffReport, context: Context): string[] {
  const { environment, reference } = report;
  const title = `attn-diff ${environment.attnDiff}`;
  const labels = report.implementations.map(({ name }) => name);
  const others = labels.filter((name) => name !== reference);
  return [
    ...titled(title, `${others.join(', ') || 'nothing'} against ${reference}`, context),
    '',
    ...facts(
      [
        ...configurationFacts(report),
        ...modelFacts(report.model),
        ...report.batches.map(
          (batch, index) => [index === 0 ? 'Batches' : '', batchText(batch)] as const,
        ),
        ...report.inputNotes.map(
          (note, index) => [index === 0 ? 'Inputs' : '', inputNoteText(note)] as const,
        ),
        ...(report.shard ? [['Shard', shardPlaceText(report.shard, report.batches)] as const] : []),
        providerFact(report.implementations, environment),
        ...report.implementations.flatMap((info) =>
          implementationFacts(info, info.name === reference ? 'reference' : ''),
        ),
        ['Rebuild', rebuildText(report.rebuild)],
        ['File', fileText(report.file)],
      ],
      context,
    ),
  ];
}

/** A configuration and what it does, before all else: whoever reads on must know what was asked for. */
export function configurationFacts(
  report: Pick<DiffReport, 'configFile' | 'configuration'>,
): (readonly [string, string])[] {
  const name = configurationName(report);
  return name === null
    ? []
    : [
        ['Config', name],
        ...configurationClauses(report).map(
          (text) => ['', `${isSuspect(report) ? '! ' : ''}${text}`] as const,
        ),
      ];
}

/** A report's first lines: what it is, and of what. */
export function titled(title: string, subject: string, context: Context): string[] {
  const [first = '', ...rest] = prose(`${title}: ${subject}`, context, '  ');
  return [context.paint.bold(title) + first.slice(title.length), ...rest];
}

/** The facts of a model as `label, value` pairs. */
export function modelFacts(model: ModelInfo): (readonly [string, string])[] {
  const sizes = [
    model.family,
    plural(model.layers, 'layer'),
    `hidden size ${model.hiddenSize}`,
    `${plural(model.heads, 'head')}, ${model.kvHeads} key/value, head size ${model.headDim}`,
    `vocabulary ${formatCount(model.vocabSize)}`,
  ];
  return [
    ['Model', model.path],
    ['', sizes.join(' · ')],
    [
      '',
      `exported by ${model.exporter} · opset ${model.opset} · ${model.precision} · attention ${model.attention}`,
    ],
    ...notComparedFact(model),
    ...sinksFact(model),
  ];
}

/** Layers without softmax attention, by kind. */
function notComparedFact({ notCompared, layers }: ModelInfo): (readonly [string, string])[] {
  if (notCompared.length === 0) return [];
  const types = [...new Set(notCompared.map(({ type }) => type))];
  const listed = types.map((type) => {
    const numbers = notCompared.filter((each) => each.type === type).map(({ layer }) => layer);
    return `${numbers.length === 1 ? 'layer' : 'layers'} ${rangesText(numbers)} (${type})`;
  });
  return [
    [
      '',
      `${layers - notCompared.length} of ${plural(layers, 'layer')} compared; not compared, since they have no softmax attention: ${listed.join(', ')}`,
    ],
  ];
}

/** Attention sinks, with the first node that brings some in. */
function sinksFact({ sinks }: ModelInfo): (readonly [string, string])[] {
  const [first] = sinks;
  if (!first) return [];
  const layers = sinks.map(({ layer }) => layer);
  return [
    [
      '',
      `attention sinks in ${layers.length === 1 ? 'layer' : 'layers'} ${rangesText(layers)} (${first.node}${sinks.length > 1 ? ' and its like' : ''}): every implementation is built with them`,
    ],
  ];
}

/** A batch and its tokens, on one line. */
export function batchText({ name, padding, size, length, source, tokens }: BatchInfo): string {
  const kinds = `${formatCount(tokens.valid)} valid, ${formatCount(tokens.padding)} padding, ${formatCount(tokens.fullyMasked)} fully masked`;
  return `${name}: ${size} × ${length}, padded on the ${padding}, ${source}; tokens: ${kinds}`;
}

/** Where all of it ran. */
export function providerFact(
  implementations: readonly Pick<ImplementationInfo, 'provider'>[],
  environment: EnvironmentInfo,
): readonly [string, string] {
  const providers =
    [...new Set(implementations.map(({ provider }) => provider))]
      .filter((provider) => provider !== 'unknown')
      .join(', ') || 'unknown';
  const { onnxruntime, node, platform, arch, cpu, gpu, cudaLibraries } = environment;
  const where = [
    `onnxruntime ${onnxruntime}`,
    `node ${node}`,
    `${platform}-${arch}`,
    cpu,
    ...(gpu === null ? [] : [`GPU ${gpu}`]),
    ...(cudaLibraries === null ? [] : [cudaLibraries]),
  ];
  return ['Provider', `${providers} (${where.join(', ')})`];
}

/**
 * The kernel that ran of an implementation, and what shows it, as `label, value` pairs.
 *
 * @param role what the others have to do with it, in brackets; empty for nothing
 */
export function implementationFacts(
  info: ImplementationInfo,
  role: string,
): (readonly [string, string])[] {
  return [
    [info.name, `${info.kernel} · ${precisionText(info)}${role === '' ? '' : ` (${role})`}`],
    ['', `${proofText(info)}${info.evidence}`],
  ];
}

const REASONS: Readonly<Record<ProofReason, (info: ImplementationInfo) => string>> = {
  'other-provider': ({ asked }) => `asked for ${asked.provider}`,
  'other-kernel': ({ asked }) => `asked for the ${asked.kernel} kernel`,
  'other-type': ({ written }) => `asked for ${written}`,
  'no-profile': () => 'not every node of it was seen',
  'not-told': ({ asked, ran }) =>
    `${asked.provider} does not tell ${ran.length === 0 ? 'the types of its nodes' : 'its kernel'}`,
  failed: ({ failure }) => (failure ? FAILURE_WORDS[failure.kind] : 'it failed'),
};

const FAILURE_WORDS: Readonly<Record<FailureKind, string>> = {
  crashed: 'it crashed',
  'timed-out': 'it timed out',
  'out-of-memory': 'it ran out of memory',
  error: 'ONNX Runtime refused it',
};

/** Whether the kernel asked for ran, and if not, why not; before the evidence. */
export function proofText(info: ImplementationInfo): string {
  if (info.reason === null) return '✓ confirmed; ';
  return `${info.proof === 'fallback' ? '✗ fallback' : '? not provable'}: ${REASONS[info.reason](info)}; `;
}

/** Whether rebuilding the graph changed nothing, and by what that is known. */
export function rebuildText(check: RebuildCheck): string {
  const original = `original in the rebuilt graph against the unmodified file: relative L2 ${formatNumber(check.originalRelL2)} (limit ${formatLimit(check.originalLimit)})`;
  const equivalent = `${check.equivalent} against original on the same Q, K, V: ${formatNumber(check.equivalentRelL2)} (limit ${formatLimit(check.equivalentLimit)})`;
  const holds =
    check.originalRelL2 <= check.originalLimit && check.equivalentRelL2 <= check.equivalentLimit;
  const nonFinite =
    check.nonFinite === 0
      ? ''
      : `; ${plural(check.nonFinite, 'number is', 'numbers are')} NaN or infinite in both, and the same`;
  return `${holds ? '✓' : '✗'} ${original}; ${equivalent}${nonFinite}`;
}
