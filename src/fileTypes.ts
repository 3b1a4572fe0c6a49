/** How a run judged the user's file as it is. */
import type { Failure } from './implementationInfo.js';
import type { Row } from './types.js';

/**
 * `asked`: its own nodes are among the implementations; `ran`: they ran beside them; `stands`: a stream of the run gave
 * the same bits on the probe, so that where it is finite the file is; `none`: they could not be run.
 */
export const FILE_MEANS = ['asked', 'ran', 'stands', 'none'] as const;
export type FileMeans = (typeof FILE_MEANS)[number];

/**
 * Why the file's own nodes could not be run on a batch: it brings a mask, documents or a past, which the file knows
 * nothing of; its GroupQueryAttention keeps a ring cache, which takes no padding; or the process that ran them failed.
 */
export const FILE_OBSTACLES = ['mask', 'pack', 'past', 'ring-cache', 'failed'] as const;
export type FileObstacle = (typeof FILE_OBSTACLES)[number];

export interface FileJudgement {
  means: FileMeans;
  /** The implementation that its rows, findings and checks are named by. */
  label: string;
  /** Label of the stream that stands for it; null otherwise. */
  stream: string | null;
  /** Null where it was judged. */
  obstacle: FileObstacle | null;
  /** How the process ended that ran it; null where none failed. */
  failure: Failure | null;
  /** Batches on which its own nodes ran, beside the implementations asked for. */
  batches: string[];
  /** Of those, the rows that hold NaN or Inf. */
  rows: Row[];
}
