import { terminalText } from '../printable.js';
import {
  CHOSEN,
  type Capability,
  type Diagnosis,
  type Gpu,
  type LibraryCheck,
  type ProviderCheck,
  type ProviderStatus,
} from '../doctorTypes.js';
import { ATTENTION_PRECISIONS, type AttentionPrecision } from '../types.js';
import { typesText } from './precisionText.js';
import { libraryRemedy, providerRemedy } from './providerText.js';
import {
  contextOf,
  facts,
  heading,
  noteLines,
  type Context,
  type RenderOptions,
} from './text/context.js';
import { formatBytes, plural } from './text/number.js';
import { fitColumns, leftOutNote, table, tableWidth, type Column } from './text/table.js';

type Fact = readonly [string, string];

/** One implementation on one provider, at every precision. */
interface Place {
  implementation: Capability['implementation'];
  provider: Capability['provider'];
  at: readonly Capability[];
}

/**
 * What runs on this machine, for a terminal.
 *
 * @param options `width` in columns: no line is longer, for 60 and more; `color`: whether to write ANSI colour codes
 * @returns text that ends in a line end
 */
export function doctorText(diagnosis: Diagnosis, options: RenderOptions): string {
  const context = contextOf(options);
  const sections = [
    [context.paint.bold('attn-diff doctor'), '', ...facts(versions(diagnosis), context)],
    [heading('Execution providers', context), '', ...providers(diagnosis, context)],
    ...titled('GPUs', facts(gpus(diagnosis), context), context),
    ...titled('Libraries of the CUDA provider', facts(libraryFacts(diagnosis), context), context),
    ...titled(
      'Implementations on the providers that work',
      implementations(diagnosis.implementations, context),
      context,
    ),
    ...titled('Kernels by name', facts(kernels(diagnosis.implementations), context), context),
  ];
  return terminalText(`${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`);
}

/** A section, or none where there is nothing to say. */
function titled(title: string, lines: readonly string[], context: Context): string[][] {
  return lines.length === 0 ? [] : [[heading(title, context), '', ...lines]];
}

function versions({ machine }: Diagnosis): Fact[] {
  return [
    [
      'Versions',
      `attn-diff ${machine.attnDiff} · node ${machine.node} · onnxruntime ${machine.onnxruntime}`,
    ],
    [
      'Machine',
      `${machine.platform}-${machine.arch} · ${machine.cpu} · ${plural(machine.cores, 'core')} · ${formatBytes(machine.memoryBytes)}`,
    ],
  ];
}

const STATUS: Readonly<Record<ProviderStatus, string>> = {
  works: '✓ works',
  'falls-back': '✗ falls back',
  missing: '✗ missing',
  fails: '✗ fails',
  'not-on-platform': '– not on this platform',
};

function providers({ providers: checks, cuda, libraries }: Diagnosis, context: Context): string[] {
  const { paint } = context;
  const columns: Column<ProviderCheck>[] = [
    { head: 'provider', cell: ({ name }) => name },
    {
      head: 'libraries',
      cell: ({ bundled }) => (bundled === null ? '–' : bundled ? 'bundled' : 'not bundled'),
    },
    {
      head: 'status',
      cell: ({ status }) => STATUS[status],
      paint: (text, { status }) =>
        status === 'works'
          ? paint.green(text)
          : status === 'not-on-platform'
            ? paint.dim(text)
            : paint.red(text),
    },
    { head: 'ran', cell: ranText, drop: 1 },
  ];
  const { columns: fitting, leftOut } = fitColumns(columns, checks, context.width);
  const wrong = checks.flatMap((check): Fact[] => {
    const lines = [problemText(check), providerRemedy(check, cuda, libraries)].filter(
      (line) => line !== null,
    );
    return lines.map((line, index) => [index === 0 ? check.name : '', line]);
  });
  return [
    ...table(fitting, checks, context),
    ...(leftOut.length === 0 ? [] : noteLines(leftOutNote(leftOut), context)),
    ...(wrong.length === 0 ? [] : ['', ...facts(wrong, context)]),
  ];
}

function ranText({ ran }: ProviderCheck): string {
  return ran.length === 0
    ? '–'
    : ran
        .map(
          ({ operator, provider, types }) =>
            `${operator} on ${provider}${types.length === 0 ? '' : ` in ${typesText(types)}`}`,
        )
        .join(', ');
}

/** What is wrong with a provider; null where nothing is. */
function problemText({ status, ran, problem }: ProviderCheck): string | null {
  if (problem !== null) return problem;
  if (status !== 'falls-back') return null;
  return ran.length === 0
    ? 'the session opened, but its profile shows no node'
    : 'the session opened, but its node ran on another provider';
}

function gpus({ gpus: found, vulkan }: Diagnosis): Fact[] {
  const cards = found ?? [];
  const none: Fact[] =
    found?.length === 0 ? [['GPU', 'none found: nvidia-smi and /sys/class/drm tell of none']] : [];
  return [
    ...none,
    ...cards.map((gpu, index): Fact => [index === 0 ? 'GPU' : '', gpuText(gpu)]),
    ...(vulkan === null
      ? []
      : [
          [
            'Vulkan',
            `libvulkan.so.1 ${vulkan.loader === null ? 'is not found' : `is ${vulkan.loader}`}`,
          ] as const,
          ...drivers(vulkan.drivers),
        ]),
  ];
}

function gpuText({ name, driver, memoryBytes, source }: Gpu): string {
  const parts = [
    name,
    driver === null ? null : `driver ${driver}`,
    memoryBytes === null ? null : formatBytes(memoryBytes),
  ];
  return `${parts.filter((part) => part !== null).join(' · ')} (${source === 'drm' ? '/sys/class/drm' : source})`;
}

function drivers(found: NonNullable<Diagnosis['vulkan']>['drivers']): Fact[] {
  if (found.length === 0)
    return [
      [
        '',
        'no driver found: neither VK_DRIVER_FILES nor VK_ICD_FILENAMES, /usr/share/vulkan/icd.d or /etc/vulkan/icd.d names one',
      ],
    ];
  return found.map(({ file, library }) => [
    '',
    library === null
      ? `driver ${file}: it cannot be read, or names no library`
      : `driver ${file}: ${library}`,
  ]);
}

function libraryFacts({ libraries: checks, cuda }: Diagnosis): Fact[] {
  return checks.map((check) => [
    check.path !== null ? '✓' : check.isRequired ? '✗' : '–',
    libraryText(check, cuda?.version ?? null),
  ]);
}

function libraryText(check: LibraryCheck, cudaVersion: number | null): string {
  const { name, path, origin, neededBy, isRequired } = check;
  if (path !== null)
    return `${name} is ${path}${origin === 'loader' || neededBy === null ? '' : ` (${origin})`}`;
  const whose = isRequired ? '' : ', which some kernels need,';
  return `${name}${whose} is not found: ${libraryRemedy(check, cudaVersion)}`;
}

const KIND: Readonly<Record<Capability['kind'], string>> = {
  real: 'real',
  emulated: 'emulated',
  elsewhere: 'elsewhere',
  none: '–',
};

function implementations(all: readonly Capability[], context: Context): string[] {
  if (all.length === 0) return [];
  const places = placesOf(all);
  const columns: Column<Place>[] = [
    { head: 'implementation', cell: ({ implementation }) => implementation },
    { head: 'provider', cell: ({ provider }) => provider },
    ...ATTENTION_PRECISIONS.map((precision) => ({
      head: precision,
      cell: ({ at }: Place) => KIND[atPrecision(at, precision)?.kind ?? 'none'],
    })),
    { head: 'operators where real', cell: ({ at }) => operatorsOf(at) },
  ];
  const body =
    tableWidth(columns, places) <= context.width
      ? table(columns, places, context)
      : places.flatMap((place, index) => [
          ...(index === 0 ? [] : ['']),
          ...facts(
            columns.map(({ head, cell }) => [head, cell(place)] as const),
            context,
          ),
        ]);
  const reasons = all.flatMap(({ implementation, provider, precision, reason }): Fact[] =>
    reason === null ? [] : [[`${implementation}@${provider}, ${precision}`, reason]],
  );
  return [
    ...body,
    '',
    ...(reasons.length === 0 ? [] : [...facts(reasons, context), '']),
    ...noteLines(
      'real: the attention of one small layer ran there in that precision, by the profile. emulated: float32 kernels with explicit rounding where real ones round. exact is float64 on the CPU whatever the precision; original is the nodes of the file, at its own precision.',
      context,
    ),
  ];
}

function placesOf(all: readonly Capability[]): Place[] {
  const named = [...new Set(all.map(({ provider }) => provider))];
  return CHOSEN.flatMap((implementation) =>
    named.map((provider) => ({
      implementation,
      provider,
      at: all.filter(
        (each) => each.implementation === implementation && each.provider === provider,
      ),
    })),
  );
}

function atPrecision(
  at: readonly Capability[],
  precision: AttentionPrecision,
): Capability | undefined {
  return at.find((each) => each.precision === precision);
}

function operatorsOf(at: readonly Capability[]): string {
  const operators = new Set(
    at.filter(({ kind }) => kind === 'real').flatMap((each) => each.operators),
  );
  return operators.size === 0 ? '–' : [...operators].join(', ');
}

/** Of each place the kernels that can be asked for, with the precisions of those that are not had at every real one. */
function kernels(all: readonly Capability[]): Fact[] {
  return placesOf(all).flatMap(({ implementation, provider, at }): Fact[] => {
    const real = at.filter(({ kind }) => kind === 'real' || kind === 'elsewhere');
    const names = [...new Set(real.flatMap((each) => each.kernels))];
    if (names.length === 0) return [];
    const words = names.map((name) => {
      const having = real
        .filter((each) => each.kernels.includes(name))
        .map(({ precision }) => precision);
      return having.length === real.length ? name : `${name} (${having.join(', ')})`;
    });
    return [[`${implementation}@${provider}`, `kernel=${words.join(', ')}`]];
  });
}
