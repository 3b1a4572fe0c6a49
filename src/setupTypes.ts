/** What `attn-diff setup` can set up, with what it is for. */
export const SETUPS = {
  cuda: "the CUDA provider's libraries, put beside onnxruntime-node's own (Linux x64, CUDA 13)",
} as const;

/** pip's options for a wheel that is for Linux x64, whatever machine and Python pip runs on. */
export const WHEEL_OPTIONS =
  '--no-deps --only-binary=:all: --platform manylinux_2_28_x86_64 ' +
  '--implementation cp --python-version 3.12';

/** Where provider libraries are taken from; the path is that of the wheel or of the folder. */
export interface SetupOrigin {
  kind: 'wheel' | 'folder' | 'python' | 'pip';
  path: string;
}

/** Why libraries cannot be taken from a source. */
export type SourceFault =
  | { kind: 'unreadable'; problem: string }
  | { kind: 'not-archive' }
  | { kind: 'damaged'; problem: string }
  | { kind: 'not-library'; name: string }
  | { kind: 'missing'; name: string; needed: string }
  | { kind: 'no-provider'; distribution: string | null; needed: string }
  | { kind: 'platform'; found: string }
  | { kind: 'version'; found: string; needed: string }
  | { kind: 'commit'; found: string; needed: string }
  | { kind: 'no-commit'; name: string };

/** Why pip brought no wheel. */
export type DownloadFault =
  'no-python' | 'no-pip' | 'no-network' | 'no-match' | 'no-space' | 'failed';

/** What is known of libraries before they are put in place. */
export interface ProviderLibraries {
  origin: SetupOrigin;
  /** Of onnxruntime; null where only the commit is known. */
  version: string | null;
  /** What both were built from: the source and onnxruntime-node's own library. */
  commit: string;
  /** The major version of CUDA that the provider needs; null where it names none. */
  cuda: number | null;
  files: SizedFile[];
}

export interface SizedFile {
  name: string;
  bytes: number;
}

/** What `attn-diff setup cuda` has done, or would do. */
export type SetupOutcome =
  | {
      kind: 'placed';
      isDryRun: boolean;
      libraries: ProviderLibraries;
      folder: string;
      /** Whether other libraries were there. */
      isReplacing: boolean;
      /** The newest version of CUDA that the driver supports; null where none was found. */
      driverCuda: string | null;
    }
  | { kind: 'same'; commit: string; cuda: number | null; folder: string }
  | { kind: 'download'; version: string; folder: string }
  | { kind: 'removed'; isDryRun: boolean; folder: string; files: SizedFile[] };

/** What setup says while it works: what is downloaded, and what is installed but does not fit. */
export type SetupNotice =
  | { kind: 'download'; version: string; program: string }
  | { kind: 'passed-over'; path: string; fault: SourceFault };
