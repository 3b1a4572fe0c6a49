import { terminalText } from '../printable.js';
import {
  CONFIG_ASPECTS,
  type Inspection,
  type LayerInspection,
  type MaskSummary,
} from '../types.js';
import { findingLevel } from '../metrics/index.js';
import { findingText } from './findingText.js';
import { inputNoteText } from './inputText.js';
import { outputLines } from './outputText.js';
import {
  contextOf,
  facts,
  heading,
  prose,
  type Context,
  type RenderOptions,
} from './text/context.js';
import { modelFacts } from './text/header.js';
import { rangesText } from './text/kinds.js';
import { formatNumber, formatCount } from './text/number.js';
import { table, tableWidth, type Column } from './text/table.js';
import { wrap } from './text/width.js';

/** Neighbouring layers that are alike in all but their number and their node's. */
interface Run {
  layers: number[];
  first: LayerInspection;
  nodes: string[];
}

/**
 * What was recognised in a model, for a terminal.
 *
 * @param options `width` in columns: no line is longer, for 60 and more; `color`: whether to write ANSI colour codes
 * @returns text that ends in a line end
 */
export function inspectionText(inspection: Inspection, options: RenderOptions): string {
  const context = contextOf(options);
  const sections = [
    [context.paint.bold('attn-diff inspect'), '', ...facts(overview(inspection), context)],
    [heading('Attention by layer', context), '', ...layers(inspection.layers, context)],
    ...(inspection.findings.length === 0
      ? []
      : [[heading('Findings', context), '', ...findings(inspection, context)]]),
    [heading('Compared with config.json', context), '', ...compared(inspection, context)],
    [heading('Implementations', context), '', ...implementations(inspection, context)],
  ];
  return terminalText(`${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`);
}

function overview(inspection: Inspection): (readonly [string, string])[] {
  const { model, inputs, externalData } = inspection;
  return [
    ...modelFacts(model),
    ...inputs.map(
      ({ name, type, shape }, index) =>
        [index === 0 ? 'Inputs' : '', `${name}: ${type}[${shape.join(', ')}]`] as const,
    ),
    ...inspection.inputNotes.map((note) => ['', inputNoteText(note)] as const),
    ...outputLines(inspection).map((line, index) => [index === 0 ? 'Outputs' : '', line] as const),
    [
      'Weights',
      externalData.length === 0
        ? 'in the .onnx file'
        : `in external data: ${externalData.join(', ')}`,
    ],
  ];
}

function layers(inspected: readonly LayerInspection[], context: Context): string[] {
  const runs = runsOf(inspected);
  const columns = columnsOf();
  const body =
    tableWidth(columns, runs) <= context.width
      ? table(columns, runs, context)
      : runs.flatMap((run, index) => [
          ...(index === 0 ? [] : ['']),
          ...block(columns, run, context),
        ]);
  const nodes = runs.map(
    (run) =>
      [
        `layer ${rangesText(run.layers)}`,
        `${nodePattern(run.nodes)}; ${guardText(run.first)}`,
      ] as const,
  );
  return [...body, '', ...facts(nodes, context)];
}

/** The run as a list, where the terminal is too narrow for a table. */
function block(columns: readonly Column<Run>[], run: Run, context: Context): string[] {
  return facts(
    columns.map(({ head, cell }) => [head.replaceAll('\n', ' '), cell(run)] as const),
    context,
  );
}

function columnsOf(): Column<Run>[] {
  return [
    { head: 'layer', cell: ({ layers: numbers }) => rangesText(numbers) },
    { head: 'form', cell: ({ first }) => first.form },
    { head: 'mask', cell: ({ first }) => first.mask.form },
    { head: 'fill', cell: ({ first }) => fillText(first.mask) },
    { head: 'causal', cell: ({ first }) => yesNo(first.mask.causal) },
    { head: 'padding', cell: ({ first }) => yesNo(first.mask.padding) },
    {
      head: 'window',
      cell: ({ first }) => (first.mask.window === null ? 'none' : formatCount(first.mask.window)),
    },
    { head: 'scale', cell: ({ first }) => formatNumber(first.scale) },
    { head: 'softmax', cell: ({ first }) => first.softmaxPrecision },
    { head: 'NaN guard', cell: ({ first }) => yesNo(first.nanGuard) },
  ];
}

/** What is to be known of the file, the most severe first. */
function findings({ findings: found }: Inspection, context: Context): string[] {
  const { paint } = context;
  return found.flatMap((finding) => {
    const mark = findingLevel(finding) === 'fault' ? paint.red('✗') : paint.yellow('!');
    return prose(`✗ ${findingText(finding, 'eager')}`, context, '  ').map((line, index) =>
      index === 0 ? mark + line.slice(1) : line,
    );
  });
}

/** What was compared of which layers, and what could not be; what deviates is among the findings. */
function compared({ layers: inspected, findings: found }: Inspection, context: Context): string[] {
  const { paint, width } = context;
  const groups = new Map<string, LayerInspection[]>();
  for (const layer of inspected)
    groups.set(layer.checked.join(), [...(groups.get(layer.checked.join()) ?? []), layer]);
  const lists = [...groups.values()].flatMap((own) => {
    const { checked } = own[0]!;
    const place = `layer ${rangesText(own.map(({ layer }) => layer))}`;
    const others = CONFIG_ASPECTS.filter((aspect) => !checked.includes(aspect));
    return [
      [place, checked.join(', ') || 'nothing'] as const,
      ...(others.length > 0 ? [['not checked', others.join(', ')] as const] : []),
    ];
  });
  const deviates = found.some(
    ({ code }) => code === 'not-as-configured' || code === 'window-not-as-configured',
  );
  const verdict = deviates
    ? []
    : [
        '',
        ...wrap('nothing deviates of what was compared', width - 2).map(
          (line, index) => `${index === 0 ? paint.green('✓') : ' '} ${line}`,
        ),
      ];
  return [...facts(lists, context), ...verdict];
}

function implementations(inspection: Inspection, { width, paint }: Context): string[] {
  const nameWidth = Math.max(0, ...inspection.implementations.map(({ name }) => name.length));
  const indent = nameWidth + 4;
  return inspection.implementations.flatMap(({ name, buildable, reason }) => {
    const text = buildable ? 'can be built' : `cannot be built: ${reason ?? 'no reason given'}`;
    const mark = buildable ? paint.green('✓') : paint.red('✗');
    return wrap(text, width - indent).map((line, index) =>
      index === 0 ? `${mark} ${name.padEnd(nameWidth)}  ${line}` : ' '.repeat(indent) + line,
    );
  });
}

/** What becomes of a row whose query may look at no key. */
function guardText({ nanGuard, mask }: LayerInspection): string {
  if (nanGuard) return 'NaN guard: fully masked rows are set to 0';
  if (mask.form === 'none') return 'no NaN guard: there is no mask that could leave a row empty';
  if (mask.form === 'boolean')
    return 'no NaN guard: a fully masked row is as the kernel leaves it, and may be NaN';
  return mask.fill === -Infinity
    ? 'no NaN guard: a fully masked row becomes NaN'
    : 'no NaN guard, and none is needed: a fully masked row averages over all keys';
}

function fillText({ fill }: MaskSummary): string {
  if (fill === null) return '–';
  if (fill === -Infinity) return '-inf';
  if (fill === -Math.fround(3.4028234663852886e38)) return 'min (fp32)';
  return fill === -65504 ? 'min (fp16)' : formatNumber(fill);
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

function runsOf(inspected: readonly LayerInspection[]): Run[] {
  const runs: Run[] = [];
  for (const layer of inspected) {
    const last = runs.at(-1);
    if (
      last &&
      last.layers.at(-1) === layer.layer - 1 &&
      likeness(last.first) === likeness(layer)
    ) {
      last.layers.push(layer.layer);
      last.nodes.push(layer.node);
    } else runs.push({ layers: [layer.layer], first: layer, nodes: [layer.node] });
  }
  return runs;
}

function likeness({ form, mask, scale, softmaxPrecision, nanGuard }: LayerInspection): string {
  const { form: maskForm, fill, causal, padding, window } = mask;
  return [form, maskForm, fill, causal, padding, window, scale, softmaxPrecision, nanGuard].join(
    ' ',
  );
}

/** The nodes' common name with `*` for the numbers in which they differ; the first and last where there is none. */
function nodePattern(nodes: readonly string[]): string {
  const [first = '', ...rest] = nodes;
  const last = rest.at(-1);
  if (last === undefined) return first;
  const split = nodes.map((node) => node.split(/(\d+)/));
  const [pattern = []] = split;
  const isAlike = split.every(
    (parts) =>
      parts.length === pattern.length &&
      parts.every((part, i) => i % 2 === 1 || part === pattern[i]),
  );
  if (!isAlike) return `${first} … ${last}`;
  return pattern
    .map((part, i) => (split.every((parts) => parts[i] === part) ? part : '*'))
    .join('');
}
