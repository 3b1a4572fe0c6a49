import type {
  BadTap,
  CauseAnswer,
  LocalDivergence,
  NodesAnswer,
  OriginAnswer,
  PartedPlace,
  Row,
} from '../types.js';

/**
 * What the rows of a run leave open, and a second pass over one batch tells. Each answer hangs on what is asked, and
 * on that batch, alone: never on the other batches of the run.
 */
export interface SecondLook {
  /** Where NaN or Inf begins. */
  origin(place: BadTap): Promise<OriginAnswer>;
  /** Which nodes outside attention make a stream part; null where none is found. */
  nodes(place: PartedPlace): Promise<NodesAnswer | null>;
  /**
   * Why an implementation's attention parts.
   *
   * @param rows those of the finding's batch, at least
   */
  cause(finding: LocalDivergence, rows: readonly Row[]): Promise<CauseAnswer>;
}
