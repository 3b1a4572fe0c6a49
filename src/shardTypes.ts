/** What a part of a run tells besides what it measured, so that the whole can be made of the parts. */
import type { GateOptions } from './gateTypes.js';
import type { Scope, Tap, TokenKind } from './tap.js';
import type { Precision } from './tensor.js';
import type { Explanation, Finding, NonFiniteOrigin } from './types.js';

/** Where an implementation's first tap that is not finite is. */
export interface BadTap {
  implementation: string;
  batch: string;
  layer: number | null;
  tap: Tap;
  scope: Scope;
  kind: TokenKind;
}

/** What a trace of a bad tap found. */
export interface OriginAnswer {
  /** Null where nothing is found: what was not finite in the run is finite alone. */
  origin: NonFiniteOrigin | null;
  /** What attention's scores are kept in; null outside attention. */
  scores: Precision | null;
  /** NaN and infinite elements at the tap on the tokens asked for; 0 outside attention. */
  nan: number;
  inf: number;
  /** What kind of token the origin is at; null where it is at none. */
  kind: TokenKind | null;
}

/** Where a stream first parts from the reference by more than rounding. */
export interface PartedPlace {
  implementation: string;
  layer: number | null;
  batch: string;
}

/** The nodes outside attention that part there on the same inputs. */
export type NodesAnswer = Pick<
  Extract<Finding, { code: 'node-divergence' }>,
  'provider' | 'nodes' | 'more'
>;

export type LocalDivergence = Extract<Finding, { code: 'local-divergence' }>;

/** What a local divergence comes down to: its cause, or itself where none is found. */
export interface CauseAnswer {
  finding: Finding;
  explanations: Explanation[];
}

/** What the second passes of a run were asked, and what they answered. */
export interface Answers {
  origins: { asked: BadTap; answer: OriginAnswer }[];
  nodes: { asked: PartedPlace; answer: NodesAnswer | null }[];
  causes: { asked: LocalDivergence; answer: CauseAnswer }[];
}

/** Which part of a run it is, the batches being divided among several: every `count`-th batch, from the `index`-th on. */
export interface ShardPlace {
  /** From 1 to `count`. */
  index: number;
  count: number;
}

/** The same, with what it is a part of. */
export interface ShardOf extends ShardPlace {
  /** The batches of all parts, in order. */
  batches: string[];
  /** SHA-256 over those of all batches, in order, in hexadecimal. */
  data: string;
  /** What ONNX Runtime's threads hang on, and with them the order of some sums: ORT_INTRA_OP_NUM_THREADS, or the processors that the run may use. */
  threads: number;
}

/** What may differ between the machines of one run, where that is allowed by name; not the version of attn-diff. */
export const MACHINE_FIELDS = [
  'node',
  'onnxruntime',
  'platform',
  'arch',
  'cpu',
  'gpu',
  'threads',
] as const;
export type MachineField = (typeof MACHINE_FIELDS)[number];

/** One part of a run. */
export interface Shard extends ShardOf {
  /** What the whole is held against. */
  gate: GateOptions;
  answers: Answers;
}
