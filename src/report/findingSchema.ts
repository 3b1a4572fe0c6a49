import { z } from 'zod';
import { PRECISIONS, PROOF_REASONS, PROVIDERS } from '../types.js';
import { causeFinding, windowFinding } from './explanationSchema.js';
import { asked, failure } from './implementationSchema.js';
import { batches, origin } from './originSchema.js';
import { batchName, count, kind, label, layer, limit, metric, oneLayer, position, relL2, scope, tap, text } from './schemaParts.js';

/** Nodes outside attention that part, on whose provider. */
export const partedNodes = z.strictObject({
  provider: z.enum(PROVIDERS),
  nodes: z.array(z.strictObject({ name: text('Name of the node.'), opType: text('Its operator.'), ranOn: text('Execution provider that ran it.'), relL2: metric('Relative L2 against the reference\'s provider, on the same inputs.') })),
  more: count('Further nodes that part.'),
});

export const localDivergence = z.strictObject({ code: z.literal('local-divergence'), implementation: label, layer: oneLayer, batch: batchName, relL2, limit, firstToken: position });

export const finding = z
  .discriminatedUnion('code', [
    z.strictObject({ code: z.literal('padding-by-design'), implementation: label, zeroRows: count('Its zero rows on padding.'), reference: label, referenceZeroRows: count('Zero rows of the reference.'), tokens: count('Padding tokens, fully masked ones included.') }),
    z.strictObject({ code: z.literal('fully-masked-nan'), implementation: label, layer: oneLayer, batch: batchName, batches, kind, spreadsToValidAtLayer: layer }),
    z.strictObject({ code: z.literal('non-finite'), implementation: label, layer, tap, scope, batch: batchName, batches, kind, nan: metric('NaN elements there.'), inf: metric('Infinite elements there.'), origin: origin.nullable() }),
    z.strictObject({ code: z.literal('score-overflow'), implementation: label, batch: batchName, batches, kind, precision: z.enum(PRECISIONS).describe('What the scores are rounded to.'), origin }),
    z.strictObject({ code: z.literal('not-comparable'), implementation: label, reference: label, layer, tap, batch: batchName, batches }),
    z.strictObject({ code: z.literal('propagation-only'), implementation: label, localRelL2: relL2, accumulatedRelL2: relL2, layer, tap }),
    z.strictObject({ code: z.literal('within-rounding'), implementation: label, localRelL2: relL2, accumulatedRelL2: relL2, limit }),
    localDivergence,
    causeFinding,
    windowFinding,
    z.strictObject({ code: z.literal('identical'), implementation: label }),
    z.strictObject({ code: z.literal('kernel-fallback'), implementation: label, asked, kernel: text('The kernel that ran instead.'), provider: text('Where it ran.'), reason: z.enum(PROOF_REASONS) }),
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
      accumulatedRelL2: relL2,
    }),
    z.strictObject({
      code: z.literal('kernel-fault'),
      implementation: label,
      against: label,
      provider: z.enum(PROVIDERS),
      kernel: text('The kernel at fault.'),
      twin: text('What was run in its place on the CPU.'),
      layers: z.array(oneLayer),
      batch: batchName,
      relL2,
      limit,
      twinRelL2: relL2,
      heads: z.array(z.int().nonnegative()).describe('Query heads that part at the first of these layers.'),
      allHeads: z.boolean(),
      firstToken: position,
    }),
    z.strictObject({ code: z.literal('nothing-compared') }),
  ])
  .describe('What the rows mean: a code with its evidence.');
