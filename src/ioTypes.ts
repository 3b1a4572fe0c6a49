/** What an output of a model's graph holds. */
export const OUTPUT_KINDS = ['logits', 'hidden-states', 'embedding', 'scores', 'token-scores', 'attention-weights', 'cache', 'other'] as const;
export type OutputKind = (typeof OUTPUT_KINDS)[number];

/** An output of a model's graph, as the file declares it, and what it holds. */
export interface OutputInfo {
  name: string;
  type: string;
  shape: (string | number)[];
  kind: OutputKind;
}

/** Which tokens of each row have logits: all, the last column or the last valid token alone, or others. */
export const LOGITS_TOKENS = ['all', 'last', 'some'] as const;
export type LogitsTokens = (typeof LOGITS_TOKENS)[number];

/** The output that loss, KL and flips are of. */
export interface LogitsInfo {
  output: string;
  /** Elements per token: the rows of the vocabulary, with what pads them. */
  width: number;
  tokens: LogitsTokens;
}
