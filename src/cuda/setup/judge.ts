import { cudaMajorOf } from '../cudaMajor.js';
import type { ElfResult } from '../elf.js';
import type { SourceFault } from '../../setupTypes.js';
import { isSameCommit } from './buildInfo.js';

/** onnxruntime-node's own library, to which the provider must fit. */
export interface Runtime {
  version: string;
  commit: string;
}

/** What a library of a source is by its header, and what it needs. */
export type LibraryFacts = { name: string } & ElfResult;

const LINUX_X64 = 'x64';

/** Whether a source's version is another; a local one (`1.30.0+cu13`) counts as its own. */
export function versionFault(version: string | null, runtime: Runtime): SourceFault | null {
  if (version === null || version.split('+', 1)[0] === runtime.version) return null;
  return { kind: 'version', found: version, needed: runtime.version };
}

/** Whether a source's library was built from another commit than onnxruntime-node's. */
export function commitFault(
  commit: string | null,
  name: string,
  runtime: Runtime,
): SourceFault | null {
  if (commit === null) return { kind: 'no-commit', name };
  if (isSameCommit(commit, runtime.commit)) return null;
  return { kind: 'commit', found: commit, needed: runtime.commit };
}

/** Whether a file is no library for Linux x64, whatever its name says. */
export function libraryFault(facts: LibraryFacts): SourceFault | null {
  if ('problem' in facts) return { kind: 'not-library', name: facts.name };
  const { machine } = facts.library;
  if (machine === LINUX_X64) return null;
  return { kind: 'platform', found: machine === 'other' ? 'another processor' : machine };
}

/** The major version of CUDA that a library needs; null where it needs none. */
export function cudaMajor(facts: LibraryFacts): number | null {
  return 'problem' in facts ? null : cudaMajorOf(facts.library.needed);
}

/** Whether a driver is too old for a library; one that is not known is not. */
export function isDriverTooOld(cuda: number | null, driverCuda: string | null): boolean {
  return cuda !== null && driverCuda !== null && Number.parseInt(driverCuda, 10) < cuda;
}

/** The newest version of CUDA that the driver supports, by what `nvidia-smi` prints. */
export function parseDriverCuda(printed: string): string | null {
  return /\bCUDA (?:\w+ )?Version\s*:\s*(\d+\.\d+)/.exec(printed)?.[1] ?? null;
}
