/** What an output of a model's graph holds. */
export const OUTPUT_KINDS = [
  'logits',
  'hidden-states',
  'embedding',
  'scores',
  'token-scores',
  'attention-weights',
  'cache',
  'other',
] as const;
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

/** What is fed to an input that is not called as Hugging Face calls it, or not of its usual form. */
export const FED_AS = [
  'token ids',
  'mask',
  '4D mask, added',
  '4D mask, 1 kept',
  '4D mask, 1 masked',
  'mask, added',
  'mask, 1 masked',
  'positions',
  'positions counted from 0',
  'zeros',
] as const;
export type FedAs = (typeof FED_AS)[number];

/** What is unusual about a file's inputs, and what is done about it. */
export type InputNote =
  /** The graph is run with its batch axis opened, which the rebuild check has proven harmless. */
  | { code: 'fixed-batch'; input: string; size: number }
  /** All rows are padded to this length. */
  | { code: 'fixed-length'; input: string; size: number }
  /** Rows of different lengths are batches of their own, without padding. */
  | { code: 'no-mask' }
  /** Token ids are looked up in these weights of the file. */
  | { code: 'embedding'; input: string; table: string }
  | { code: 'fed-as'; input: string; as: FedAs };
