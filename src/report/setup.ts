import { sourceFaultText } from '../errors/setup.js';
import { printable, terminalText } from '../printable.js';
import {
  SETUPS,
  type ProviderLibraries,
  type SetupNotice,
  type SetupOrigin,
  type SetupOutcome,
  type SizedFile,
} from '../setupTypes.js';
import { formatBytes } from './text/number.js';

const NEXT = 'Next: attn-diff doctor';

/** What `attn-diff setup` can set up. */
export function setupListText(): string {
  const lines = Object.entries(SETUPS).map(([name, what]) => `attn-diff setup ${name}   ${what}`);
  return `${lines.join('\n')}\n`;
}

/** What was done, or would be, for a terminal; a line for each fact. */
export function setupText(outcome: SetupOutcome): string {
  return terminalText(`${linesOf(outcome).map(printableLine).join('\n')}\n`);
}

/** Spaces that a line begins with stay. */
function printableLine(line: string): string {
  const [indent] = /^ */.exec(line)!;
  return indent + printable(line);
}

function linesOf(outcome: SetupOutcome): string[] {
  const { folder } = outcome;
  switch (outcome.kind) {
    case 'same': {
      const cuda = outcome.cuda === null ? '' : `, for CUDA ${outcome.cuda}`;
      return [
        `The CUDA provider is in place already (commit ${outcome.commit}${cuda}): ${folder}`,
        NEXT,
      ];
    }
    case 'download':
      return [
        `Would download onnxruntime-gpu ${outcome.version} with pip, check its commit, and put its CUDA provider into ${folder}`,
        'Nothing was changed or downloaded.',
      ];
    case 'removed':
      return removedLines(outcome);
    case 'placed':
      return placedLines(outcome);
  }
}

function removedLines({
  folder,
  files,
  isDryRun,
}: Extract<SetupOutcome, { kind: 'removed' }>): string[] {
  if (files.length === 0) return [`Nothing to remove: no provider library is in ${folder}`];
  return [
    `${isDryRun ? 'Would remove' : 'Removed'} from ${folder}:`,
    ...fileLines(files),
    ...(isDryRun ? ['Nothing was changed.'] : []),
  ];
}

function placedLines(outcome: Extract<SetupOutcome, { kind: 'placed' }>): string[] {
  const { libraries, folder, isDryRun, isReplacing, driverCuda } = outcome;
  const done = isReplacing ? ['Would replace', 'Replaced'] : ['Would put', 'Put'];
  return [
    sourceText(libraries),
    `${isDryRun ? done[0] : done[1]} ${isReplacing ? 'other libraries in' : 'into'} ${folder}:`,
    ...fileLines(libraries.files),
    driverCuda === null
      ? 'The driver was not asked which CUDA it supports: there is no nvidia-smi, or it does not say.'
      : `The driver supports CUDA ${driverCuda}.`,
    isDryRun ? 'Nothing was changed.' : NEXT,
  ];
}

function sourceText({ origin, version, commit, cuda }: ProviderLibraries): string {
  const what = `onnxruntime-gpu${version === null ? '' : ` ${version}`}, commit ${commit}`;
  return `${what}${cuda === null ? '' : `, for CUDA ${cuda}`}, ${originText(origin)}`;
}

function originText({ kind, path }: SetupOrigin): string {
  switch (kind) {
    case 'pip':
      return 'downloaded with pip';
    case 'python':
      return `installed for Python: ${path}`;
    case 'wheel':
    case 'folder':
      return `from ${path}`;
  }
}

/** What goes on, as one line. */
export function setupNoticeText(notice: SetupNotice): string {
  return notice.kind === 'download'
    ? `${notice.program} -m pip downloads onnxruntime-gpu ${notice.version}, some 250 MB, into a temporary folder`
    : `not used: ${notice.path}: ${sourceFaultText(notice.fault)}`;
}

function fileLines(files: readonly SizedFile[]): string[] {
  const width = Math.max(...files.map(({ name }) => name.length));
  return files.map(({ name, bytes }) => `  ${name.padEnd(width)}  ${formatBytes(bytes)}`);
}
