/** What is told of an implementation: what was asked for, what ran, and what shows it. */
import type { KernelName, ProviderName } from './stream.js';
import type { Precision, TensorData, Tensors } from './tensor.js';

/**
 * Whether the kernel asked for is the one that ran: `confirmed` by what ONNX Runtime tells; `fallback`, another ran;
 * `not-provable` where nothing tells.
 */
export const PROOFS = ['confirmed', 'fallback', 'not-provable'] as const;
export type Proof = (typeof PROOFS)[number];

/** Why a kernel is not confirmed. */
export const PROOF_REASONS = [
  /** Nodes ran on another execution provider. */
  'other-provider',
  /** The operator ran on the provider, with another kernel behind it. */
  'other-kernel',
  /** Nodes computed in another type than the one asked for. */
  'other-type',
  /** The profile shows no such node. */
  'no-profile',
  /** The provider does not tell which kernel it took. */
  'not-told',
  /** The implementation did not run to its end. */
  'failed',
] as const;
export type ProofReason = (typeof PROOF_REASONS)[number];

/** How an implementation ended that did not run to its end. */
export const FAILURES = ['crashed', 'timed-out', 'out-of-memory', 'error'] as const;
export type FailureKind = (typeof FAILURES)[number];

export interface Failure {
  kind: FailureKind;
  /** What the runtime said, the signal that ended its process, or the seconds it was given. */
  problem: string;
  /** What it was doing. */
  stage: string;
  /** The batch it failed on; null before the first. */
  batch: string | null;
}

export interface ImplementationInfo {
  /** The stream's label: `eager`, `eager#2`. */
  name: string;
  /** `kernel` is null where the implementation is no one kernel. */
  asked: { provider: ProviderName; kernel: KernelName | null };
  /** The operator, or chain of operators, that the provider executed, with the kernel behind it where that is told. */
  kernel: string;
  /** Where its nodes ran. */
  provider: string;
  precision: Precision;
  emulated: boolean;
  /** What its attention is written in: `precision`, but for the nodes of a bfloat16 file where they are run as float32. */
  written: Precision;
  /** The types in which its nodes computed, as the profile tells; where `emulated`, those of the kernels that emulate. Empty where nothing tells. */
  ran: Precision[];
  /** What shows that this kernel ran. */
  evidence: string;
  proof: Proof;
  /** Null where it is confirmed. */
  reason: ProofReason | null;
  failure: Failure | null;
}

/** The same, of a run with a reference. */
export interface RunImplementationInfo extends ImplementationInfo {
  /** What else was set of those things that it takes notice of, as `--impl` takes it (`scores=fp32:softmax=fp32:fill=min`); empty where there are none. */
  settings: string;
  /** The relative L2 that rounding explains of its difference from the reference: on the same Q, K, V, and in its own stream. */
  rounding: { local: number; accumulated: number };
}

/** One layer's attention alone, with what shows that it diverges. */
export interface Repro {
  implementation: string;
  /** The implementation that it was held against. */
  against: string;
  layer: number;
  provider: ProviderName;
  /** Environment variables that choose the kernel. */
  environment: Readonly<Record<string, string>>;
  /** Relative L2 of the two, on valid tokens. */
  relL2: number;
  /** The fused node that the model consists of; null where it is more than one. */
  opType: string | null;
  /** The encoded ONNX model. */
  model: Uint8Array;
  inputs: Tensors;
  /** Name of the model's output that is compared. */
  output: string;
  /** What the other implementation makes of the inputs, [B,H,S,D]; null where the CPU runs the same model. */
  expected: TensorData | null;
  /** 1 on valid tokens, [B·S]; null with `expected`. */
  valid: Uint8Array | null;
}
