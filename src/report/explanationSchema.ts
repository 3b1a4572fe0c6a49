import { z } from 'zod';
import {
  ALIGNMENTS,
  ATTENTION_PRECISIONS,
  CAST_PLACES,
  CAUSES,
  CONFIG_ASPECTS,
  CONFIG_PARTS,
  CONFIG_SOURCES,
  MASK_FAULTS,
  MASK_FILLS,
  MASK_FORMS,
} from '../types.js';
import {
  batchName,
  count,
  label,
  limit,
  magnitude,
  metric,
  oneLayer,
  position,
  relL2,
  text,
} from './schemaParts.js';

const precision = z.enum(ATTENTION_PRECISIONS);
const window = z.int().positive().nullable();

const deviation = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('scale'),
      factor: z.number().describe('The scale times this.'),
    }),
    z.strictObject({
      kind: z.literal('window'),
      to: window.describe("Sliding window in tokens, the query's own included; null for none."),
      slidingOnly: z
        .literal(true)
        .exactOptional()
        .describe('Leaves layers without a window alone.'),
    }),
    z.strictObject({
      kind: z.literal('mask-shift'),
      by: z.int().describe('Query q sees the keys that query q + by would see.'),
    }),
    z
      .strictObject({ kind: z.literal('padding-side') })
      .describe('Masks as many keys on the other side of each row.'),
    z.strictObject({
      kind: z.literal('mask-ignored'),
      part: z.enum(['causal', 'padding']).describe('What of the mask is left out.'),
    }),
    z.strictObject({
      kind: z.literal('alignment'),
      to: z.enum(ALIGNMENTS).describe('The end of the keys that the causal mask is aligned to.'),
    }),
    z.strictObject({
      kind: z.literal('head-order'),
      order: z
        .array(z.int().nonnegative())
        .readonly()
        .describe('Head h takes what head order[h] should.'),
    }),
    z
      .strictObject({ kind: z.literal('kv-mapping') })
      .describe('Query head h is served by key/value head h mod Hkv.'),
    z.strictObject({
      kind: z.literal('positions'),
      by: z.int().describe('Queries turned by this many positions.'),
      inverseFrequencies: z.array(z.number()).readonly().describe('Of the rotary embedding.'),
    }),
    z.strictObject({
      kind: z.literal('mask-form'),
      to: z.enum(MASK_FORMS).describe('How the mask is handed over.'),
    }),
    z.strictObject({
      kind: z.literal('fill'),
      to: z.enum(MASK_FILLS).describe('What masked scores are filled with.'),
    }),
    z.strictObject({
      kind: z.literal('precision'),
      to: precision.describe('What Q, K, V, probabilities and output are rounded to.'),
    }),
    z.strictObject({
      kind: z.literal('scores-precision'),
      to: precision.describe('What the scores are rounded to.'),
    }),
    z.strictObject({
      kind: z.literal('softmax-precision'),
      to: precision.describe('What the softmax is computed in.'),
    }),
    z.strictObject({
      kind: z.literal('flush'),
      below: z.number().describe('Probabilities below this become 0.'),
    }),
    z.strictObject({
      kind: z.literal('nan'),
      head: count("The head whose output's first element is NaN on the last token."),
    }),
  ])
  .describe('One thing that an implementation does otherwise.');

const cause = z.enum(CAUSES).describe('What makes two implementations part on the same Q, K, V.');
const explained = metric(
  '1 − ‖x − changed‖² / ‖x − reference‖² on valid tokens: the share of the difference that the change explains.',
);

export const causeFinding = z.strictObject({
  code: cause,
  implementation: label.describe('The one at fault.'),
  against: label.describe('The one that it was held against.'),
  layers: z.array(oneLayer).describe('Layers of the batch that part by more than rounding.'),
  batch: batchName,
  relL2,
  limit,
  explained,
  deviation: deviation.describe('What the one at fault does otherwise.'),
  firstToken: position,
});

export const windowFinding = z.strictObject({
  code: z.literal('window-not-as-configured'),
  layers: z.array(oneLayer).describe('Layers whose masks do so.'),
  expected: window.describe('The window that config.json asks for, in tokens; null for none.'),
  found: window.describe("The window of the file's mask."),
});

export const guardFinding = z.strictObject({
  code: z.literal('guarded-inf-mask'),
  layers: z.array(oneLayer).describe('Layers that do so.'),
});

export const maskFinding = z.strictObject({
  code: z.literal('wrong-mask'),
  layers: z.array(oneLayer).describe('Layers whose masks do so.'),
  node: text('The node that applies the mask in the first of them.'),
  fault: z
    .enum(MASK_FAULTS)
    .describe(
      'What the mask does: it lets a query attend to a key in its future, to padding, or beyond-window; keeps an allowed key hidden; adds a fill that does not mask, or a bias to an allowed key.',
    ),
  query: z
    .int()
    .nonnegative()
    .describe('Position of the first query that shows it, in its padded row.'),
  key: z.int().nonnegative().describe('Position of the key.'),
  value: metric('What is added to the score.')
    .nullable()
    .describe('What is added to the score, of fill and bias; null for others.'),
  causal: z.boolean().describe('Whether config.json asks for a causal mask.'),
});

export const castFinding = z.strictObject({
  code: z.literal('stray-cast'),
  layer: oneLayer,
  place: z.enum(CAST_PLACES).describe('What of attention is cast.'),
  node: text('Name of the Cast node.'),
  from: z.enum(['fp64', 'fp32', 'fp16', 'bf16']).describe('The type before.'),
  to: z.enum(['fp16', 'bf16']).describe('The type after.'),
});

const configValue = z.union([z.number(), z.string()]);

export const configFinding = z.strictObject({
  code: z.literal('not-as-configured'),
  aspect: z.enum(CONFIG_ASPECTS).describe('What is compared.'),
  part: z
    .enum(CONFIG_PARTS)
    .nullable()
    .describe('Whose it is; null where it is of the layer as a whole.'),
  layers: z.array(oneLayer).describe('Layers that deviate; empty for the final norm.'),
  expected: configValue.describe('What it should be: a number or a word.'),
  found: configValue.describe('What it is in the file.'),
  against: z
    .enum(CONFIG_SOURCES)
    .describe(
      "Where the expected value is from: config (config.json, or what its model type always has), layers (most of the other layers), query (the same layer's query).",
    ),
});

const factor = z.strictObject({
  deviation: deviation.describe('The change.'),
  besides: deviation
    .nullable()
    .describe(
      'The change that was made besides; relL2 and explained are those of both. Null without.',
    ),
  cause,
  relL2: magnitude(
    'Relative L2 of the implementation against the changed reference, on valid tokens.',
  ),
  explained,
});

export const explanation = z
  .strictObject({
    implementation: label,
    reference: label,
    layer: oneLayer,
    batch: batchName,
    relL2: magnitude('Relative L2 before any change, on valid tokens.'),
    changed: label.describe(
      'What was changed: the reference, or the implementation where the reference is at fault and is not eager.',
    ),
    standIn: text(
      'What was rebuilt in its place where it is not eager; null where it is itself.',
    ).nullable(),
    factors: z
      .array(factor)
      .describe('What explains most first; of each kind of change that is searched for, the best.'),
  })
  .describe('Why an implementation parts from the reference at one layer, on the same Q, K, V.');

export const recommendation = z
  .strictObject({
    training: label
      .nullable()
      .describe(
        'For training: finite, without fault, nearest to exact within what rounding explains; null where none is fit.',
      ),
    weights: label
      .nullable()
      .describe('Where attention weights are needed; null where none is fit.'),
    against: z
      .array(
        z.strictObject({
          implementation: label,
          codes: z.array(z.string()).describe('Codes of the findings that speak against it.'),
        }),
      )
      .describe('Implementations that findings speak against.'),
  })
  .describe('Which implementation to use, judged by this run.');
