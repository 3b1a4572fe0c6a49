import { z } from 'zod';
import { KERNEL_CLAIMS, PRECISIONS, PROOF_REASONS, PROVIDERS } from '../types.js';
import {
  castFinding,
  causeFinding,
  configFinding,
  guardFinding,
  maskFinding,
  windowFinding,
} from './explanationSchema.js';
import { asked, failure, ran, written } from './implementationSchema.js';
import { batches, origin } from './originSchema.js';
import {
  batchName,
  count,
  elements,
  kind,
  label,
  layer,
  limit,
  magnitude,
  oneLayer,
  position,
  relL2,
  scope,
  tap,
  text,
} from './schemaParts.js';

const reference = label.describe('Label of the reference.');
const against = label.describe('The one that it was held against.');
const localRelL2 = magnitude('Worst relative L2 of the local scope, on valid tokens.');
const accumulatedRelL2 = magnitude('Worst relative L2 of the accumulated scope, on valid tokens.');

/** Nodes outside attention that part, on whose provider. */
export const partedNodes = z.strictObject({
  provider: z.enum(PROVIDERS).describe('Where the implementation was asked to run.'),
  nodes: z
    .array(
      z.strictObject({
        name: text('Name of the node.'),
        opType: text('Its operator.'),
        ranOn: text('Execution provider that ran it.'),
        relL2: magnitude("Relative L2 against the reference's provider, on the same inputs."),
      }),
    )
    .describe('The first nodes that part.'),
  more: count('Further nodes that part.'),
});

export const localDivergence = z.strictObject({
  code: z.literal('local-divergence'),
  implementation: label,
  layer: oneLayer,
  batch: batchName,
  relL2,
  limit,
  firstToken: position,
});

export const finding = z
  .discriminatedUnion('code', [
    z.strictObject({
      code: z.literal('padding-by-design'),
      implementation: label,
      zeroRows: count('Its zero rows on padding.'),
      reference,
      referenceZeroRows: count('Zero rows of the reference.'),
      tokens: count('Padding tokens, fully masked ones included.'),
    }),
    z.strictObject({
      code: z.literal('fully-masked-nan'),
      implementation: label,
      layer: oneLayer,
      batch: batchName,
      batches,
      kind,
      spreadsToValidAtLayer: layer.describe(
        'First layer at which valid tokens are NaN too; null where none are.',
      ),
    }),
    z.strictObject({
      code: z.literal('non-finite'),
      implementation: label,
      layer,
      tap,
      scope,
      batch: batchName,
      batches,
      kind,
      nan: elements('NaN elements there.'),
      inf: elements('Infinite elements there.'),
      origin: origin.nullable(),
    }),
    z.strictObject({
      code: z.literal('score-overflow'),
      implementation: label,
      batch: batchName,
      batches,
      kind,
      precision: z.enum(PRECISIONS).describe('What the scores are rounded to.'),
      origin,
    }),
    z.strictObject({
      code: z.literal('not-comparable'),
      implementation: label,
      reference,
      layer,
      tap,
      batch: batchName,
      batches,
    }),
    z.strictObject({
      code: z.literal('propagation-only'),
      implementation: label,
      localRelL2,
      accumulatedRelL2,
      layer,
      tap,
      kernels: z
        .enum(KERNEL_CLAIMS)
        .describe(
          "right: both are within rounding of exact on the same Q, K, V, so that no kernel is to blame; far-from-exact: one is not; own-nodes: one of the two is the file's own nodes, so that no kernel was compared with another.",
        ),
    }),
    z.strictObject({
      code: z.literal('within-rounding'),
      implementation: label,
      localRelL2,
      accumulatedRelL2,
      limit,
    }),
    localDivergence,
    causeFinding,
    maskFinding,
    castFinding,
    z.strictObject({
      code: z.literal('left-out'),
      implementation: label,
      problem: text('Why it cannot be built.'),
    }),
    windowFinding,
    configFinding,
    guardFinding,
    z.strictObject({ code: z.literal('identical'), implementation: label }),
    z.strictObject({
      code: z.literal('kernel-fallback'),
      implementation: label,
      asked,
      kernel: text('The kernel that ran instead.'),
      provider: text('Where it ran.'),
      written,
      ran,
      reason: z.enum(PROOF_REASONS).describe('Why it counts as another.'),
    }),
    z.strictObject({ code: z.literal('implementation-failed'), implementation: label, failure }),
    z.strictObject({
      code: z.literal('node-divergence'),
      implementation: label,
      provider: partedNodes.shape.provider,
      layer,
      batch: batchName,
      nodes: partedNodes.shape.nodes,
      more: partedNodes.shape.more,
      limit,
      accumulatedRelL2,
    }),
    z.strictObject({
      code: z.literal('kernel-fault'),
      implementation: label,
      against,
      provider: z.enum(PROVIDERS).describe('Where the implementation was asked to run.'),
      kernel: text('The kernel at fault.'),
      twin: text('What was run in its place on the CPU.'),
      layers: z.array(oneLayer).describe('Layers that part by more than rounding.'),
      batch: batchName,
      relL2,
      limit,
      twinRelL2: magnitude('Relative L2 of the twin, on valid tokens.'),
      heads: z
        .array(z.int().nonnegative())
        .describe('Query heads that part at the first of these layers.'),
      allHeads: z.boolean().describe('Whether those are all that there are.'),
      firstToken: position,
    }),
    z.strictObject({
      code: z.literal('nothing-compared'),
      constant: z
        .array(z.enum(['attention', 'logits']))
        .describe(
          'What is the same for every token of the probe, so that no difference shows there; empty where there was nothing to compare with.',
        ),
    }),
  ])
  .describe('What the rows mean: a code with its evidence.');
