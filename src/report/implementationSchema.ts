import { z } from 'zod';
import { FAILURES, KERNELS, PRECISIONS, PROOF_REASONS, PROOFS, PROVIDERS } from '../types.js';
import { batchName, finite, label, text } from './schemaParts.js';

export const asked = z
  .strictObject({
    provider: z.enum(PROVIDERS).describe('Execution provider.'),
    kernel: z
      .enum(KERNELS)
      .nullable()
      .describe('Kernel; null where the implementation is no one kernel.'),
  })
  .describe('What was asked for.');

export const failure = z
  .strictObject({
    kind: z.enum(FAILURES).describe('crashed: its process ended; error: ONNX Runtime refused it.'),
    problem: text(
      'What the runtime said, the signal that ended its process, or the seconds it was given.',
    ),
    stage: text('What it was doing.'),
    batch: batchName.nullable(),
  })
  .describe('How an implementation ended that did not run to its end.');

export const written = z
  .enum(PRECISIONS)
  .describe(
    'What the attention is written in: its precision, but for the nodes of a bfloat16 file that are run as float32.',
  );
export const ran = z
  .array(z.enum(PRECISIONS))
  .describe(
    'The types in which its nodes computed, as the profile tells; where its precision is emulated, those of the kernels that emulate it. Empty where nothing tells.',
  );

export const implementation = z.strictObject({
  name: label,
  asked,
  kernel: text(
    'Operator, or chain of operators, that the execution provider ran, with the kernel behind it where that is told.',
  ),
  provider: text('Execution provider that ran it; joined by + where nodes ran on several.'),
  precision: z.enum(PRECISIONS).describe('Precision of the attention.'),
  emulated: z.boolean().describe('Whether that precision is emulated with casts.'),
  written,
  ran,
  evidence: text('What shows that this kernel ran.'),
  proof: z.enum(PROOFS).describe('Whether the kernel asked for is the one that ran.'),
  reason: z.enum(PROOF_REASONS).nullable().describe('Why it is not confirmed; null where it is.'),
  failure: failure.nullable(),
});

export const runImplementation = implementation.extend({
  settings: text('What else was set of those things that it takes notice of, as --impl takes it.'),
  rounding: z
    .strictObject({
      local: finite('On the same Q, K, V.'),
      accumulated: finite('In its own stream.'),
    })
    .describe('The relative L2 that rounding explains of its difference from the reference.'),
});
