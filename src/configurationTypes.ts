/** What a configuration file does to a run, for whoever did not write it. */
import type { Budget, Level } from './gateTypes.js';

/** What a configuration file makes weaker than it is without one. */
export type Weakening =
  /** A key that is no budget, such as `failOn` or `findings.kernel-fault`, and what it is without the file. */
  | { kind: 'option'; key: string; value: string; usual: string }
  /** A budget that replaces one which attn-diff brings; `limit` is null where its level is `off`. */
  | {
      kind: 'budget';
      key: string;
      metric: Budget['metric'];
      limit: number | null;
      level: Level;
      usualLimit: number;
      usualLevel: Level;
    };

/** A path that a configuration file names and that is not below its own folder. */
export interface OutsidePath {
  key: string;
  path: string;
}

export interface ConfigurationInfo {
  /** Whether it was found in the current folder; false where it was named. */
  isFound: boolean;
  weakens: Weakening[];
  /** What is read from outside of its folder. */
  outside: OutsidePath[];
}
