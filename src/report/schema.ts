import { z } from 'zod';
import { failure, runImplementation } from './implementationSchema.js';
import { configuration } from './configurationSchema.js';
import { explanation, recommendation } from './explanationSchema.js';
import { finding } from './findingSchema.js';
import { baselineComparison, verdict } from './gateSchema.js';
import {
  batchName,
  cosineOf,
  count,
  divergenceOf,
  elements,
  environment,
  finite,
  kind,
  label,
  layer,
  magnitude,
  metric,
  oneLayer,
  position,
  scope,
  sha256,
  tap,
  text,
  type Same,
} from './schemaParts.js';
import { shard } from './shardSchema.js';
import {
  ATTENTION_PRECISIONS,
  FED_AS,
  FILE_MEANS,
  FILE_OBSTACLES,
  LOGITS_TOKENS,
  OUTPUT_KINDS,
  PADDING_SIDES,
  PRECISIONS,
  REPORT_SCHEMA,
  IMPLEMENTATIONS,
  type DiffReport,
} from '../types.js';

export const model = z.strictObject({
  path: text('Path of the ONNX file.'),
  family: text('Model family, as config.json names it.'),
  layers: count('Number of layers.'),
  hiddenSize: count('Elements of a hidden state.'),
  heads: count('Query heads.'),
  kvHeads: count('Key and value heads.'),
  headDim: count('Elements per head.'),
  vocabSize: count('Entries of the vocabulary.'),
  exporter: text('What wrote the file.'),
  opset: count('ONNX opset of the file.'),
  precision: z
    .enum(PRECISIONS)
    .describe(
      'What the graph computes in outside attention; int8 rounds tensors between float32 operations.',
    ),
  attention: text('Form of the attention sites; joined by + where layers differ.'),
  notCompared: z
    .array(
      z.strictObject({
        layer: oneLayer,
        type: text('Kind of the layer, as layer_types in config.json names it.'),
      }),
    )
    .default([])
    .describe(
      'Layers that have no softmax attention, such as linear_attention; they run as they are, and only the others are compared.',
    ),
  sinks: z
    .array(z.strictObject({ layer: oneLayer, node: text('The node that brings the sinks in.') }))
    .default([])
    .describe(
      'Layers whose softmax has sinks: a logit of each query head that takes part and has no value. Every implementation is built with them.',
    ),
});

const batch = z.strictObject({
  name: batchName,
  padding: z.enum(PADDING_SIDES).describe('Side on which the batch is padded.'),
  size: count('Sequences.'),
  length: count('Tokens per sequence, padding included.'),
  source: text(
    'Where the tokens come from: built-in, --prompt, a file name (each with ", chat" where the chat template took part), or random.',
  ),
  tokens: z
    .strictObject({
      valid: count('Valid tokens.'),
      padding: count('Padding tokens that see some key.'),
      fullyMasked: count('Padding tokens that see no key.'),
    })
    .describe('Tokens of each kind.'),
  sha256: sha256('token ids, masks and documents'),
});

const rebuild = z
  .strictObject({
    originalRelL2: magnitude(
      'Largest relative L2 over the outputs of `original` in the rebuilt graph against the unmodified file in a session of defaults.',
    ),
    originalLimit: finite('Its limit.'),
    equivalent: z
      .enum(IMPLEMENTATIONS)
      .describe("Implementation that the graph's own attention should equal."),
    equivalentRelL2: magnitude(
      'Largest relative L2 over layers of `equivalent` against `original`, on the same Q, K, V.',
    ),
    equivalentLimit: finite('Its limit.'),
    nonFinite: count(
      'Numbers of both comparisons that are NaN, or the same infinity, on both sides: the same result, which no relative L2 is made of.',
    ),
    constant: z
      .array(z.enum(['attention', 'logits']))
      .describe(
        "What is the same for every valid token of the probe, of the file's own nodes: the attention of all layers, or the logits. Whatever an implementation does, it does not show there.",
      ),
  })
  .describe('Proof, on a short probe batch, that rebuilding the graph changed nothing.');

const inputNote = z
  .discriminatedUnion('code', [
    z
      .strictObject({
        code: z.literal('fixed-batch'),
        input: text('Name of the input.'),
        size: count('Size that it fixes.'),
      })
      .describe('Run with the batch axis opened.'),
    z
      .strictObject({
        code: z.literal('fixed-length'),
        input: text('Name of the input.'),
        size: count('Size that it fixes.'),
      })
      .describe('Every row is padded to that length.'),
    z
      .strictObject({
        code: z.literal('embedding'),
        input: text('Name of the input.'),
        table: text('Weights of the file in which token ids are looked up.'),
      })
      .describe('The file takes embeddings.'),
    z
      .strictObject({
        code: z.literal('fed-as'),
        input: text('Name of the input.'),
        as: z.enum(FED_AS).describe('What it is fed.'),
      })
      .describe('An input of an unusual name or form.'),
    z
      .strictObject({ code: z.literal('no-mask') })
      .describe('Rows of different lengths are batches of their own.'),
  ])
  .describe('What is unusual about an input of the file, and what is done about it.');

const output = z
  .strictObject({
    name: text('Name of the output.'),
    type: text('Type of its elements.'),
    shape: z
      .array(z.union([z.string(), z.number()]))
      .describe(
        'Its dims as the file declares them; a name where one is open, ? where it has none.',
      ),
    kind: z.enum(OUTPUT_KINDS).describe('What it holds.'),
  })
  .describe('An output of the file.');

const logits = z
  .strictObject({
    output: text('The output that logits, loss, KL and flips are of.'),
    width: count('Logits of one token: the entries of the vocabulary, with what pads them.'),
    tokens: z.enum(LOGITS_TOKENS).describe('Which tokens of each row have logits.'),
  })
  .describe('The logits; null where the file has none, so that there is no loss.');

const row = z
  .strictObject({
    batch: batchName,
    layer,
    tap,
    scope,
    implementation: label,
    kind,
    tokens: count('Tokens that the row is made of.'),
    maxAbs: magnitude('max |Δ|, with Δ = implementation − reference.'),
    meanL2: magnitude('Mean over tokens of ‖Δ‖₂.'),
    relL2: magnitude('√Σ‖Δ‖² / √Σ‖reference‖²; 0/0 is 0, x/0 is Infinity.'),
    meanCosine: cosineOf('Mean over tokens of the cosine between implementation and reference.'),
    minCosine: cosineOf('Smallest such cosine.'),
    bias: metric('Signed mean of Δ over all elements.'),
    nan: elements('NaN elements of the implementation.'),
    inf: elements('Infinite elements of the implementation.'),
    zeroRows: count('Tokens whose elements are all exactly 0.'),
    firstToken: position,
    exactMaxAbs: magnitude('max |x − exact|, against attention in float64.'),
    exactRelL2: magnitude('√Σ‖x − exact‖² / √Σ‖exact‖²; 0/0 is 0, x/0 is Infinity.'),
    exactBias: metric('Signed mean of x − exact over all elements.'),
    ratioFp32: magnitude('exactRelL2 over that of eager in fp32 at the same place; 0/0 is 1.'),
    ratioPlain: magnitude(
      "exactMaxAbs over that of eager at the precision of the run; 0/0 is 1. flash-attention's own tests accept 2 for O.",
    ),
  })
  .describe('One tap of one implementation, aggregated over the tokens of one kind.');

const file = z
  .strictObject({
    means: z
      .enum(FILE_MEANS)
      .describe(
        'asked: its own nodes are among the implementations; ran: they ran beside them; stands: a stream of the run gave the same bits on the probe, so that where it is finite the file is; none: they could not be run.',
      ),
    label: text('The implementation that its rows, findings and checks are named by.'),
    stream: z
      .string()
      .nullable()
      .describe(
        'Label of the stream that stands for it, with an asterisk where it is not shown; null otherwise.',
      ),
    obstacle: z
      .enum(FILE_OBSTACLES)
      .nullable()
      .describe(
        'Why its own nodes could not be run: the batches bring a mask, documents (pack) or a past, of which the file knows nothing; it keeps a ring cache, which takes no padding; or the process failed. Null where it was judged.',
      ),
    failure: failure.nullable(),
    batches: z
      .array(batchName)
      .describe('Batches on which its own nodes ran, beside the implementations asked for.'),
    rows: z
      .array(row)
      .describe(
        'Of those, the rows with NaN or Inf; held against nothing, so that their other numbers say nothing.',
      ),
  })
  .describe('How the file, as it is, was judged.');

const effectRow = z
  .strictObject({
    batch: batchName,
    implementation: label,
    targets: count(
      'Predictions that count: valid tokens whose next token is valid and of the same document.',
    ),
    loss: magnitude('Mean −ln p(next token), nats.'),
    perplexity: magnitude('exp(loss).'),
    kl: divergenceOf('Mean over predictions of KL(reference ‖ implementation), nats.'),
    flips: count(
      "Predictions whose most likely token is not the reference's; NaN logits count where the reference's are not, and the other way round.",
    ),
  })
  .describe('What an implementation does to the output, over the targets of one batch.');

const rangeRow = z
  .strictObject({
    batch: batchName,
    layer: oneLayer,
    head: z
      .int()
      .nonnegative()
      .nullable()
      .describe('Query head, counted from 0; null for all heads together.'),
    maxScore: magnitude('max |QKᵀ|, before the scale, over all keys, masked ones included.'),
    scaledScore: magnitude('max |QKᵀ| · |scale|, the S_max of the literature, over the same keys.'),
    headroom: magnitude('65504 / maxScore: below 1, fp16 overflows.'),
    maxKey: magnitude('max |K|.'),
    entropy: metric('Mean over queries of −Σ p ln p, nats.'),
    rowSumError: magnitude(
      'max over queries of |Σ p − 1|, with p rounded to the precision of the run.',
    ),
    underflow: magnitude(
      'Share of the allowed probabilities that are 0 at the precision of the run.',
    ),
    weightsL2: magnitude('Mean over queries of ‖p‖₂.'),
  })
  .describe(
    "Ranges of one layer's attention on valid queries, from the reference stream's Q and K.",
  );

const map = z
  .strictObject({
    batch: batchName,
    size: count('Sequences.'),
    length: count('Tokens per sequence, padding included.'),
    kinds: text('One letter a token, row-major: v valid, p padding, m fully masked.'),
    streams: z
      .array(
        z.strictObject({
          implementation: label,
          scope,
          layers: z.array(layer).describe('What each row is of.'),
          relL2: text(
            'Base64 of one byte for each layer and token, [layers, size · length], of ‖Δ‖ / ‖reference‖: 0 is 0; 1 to 253 are log₁₀ from −12 to 4; 254 is infinite, 255 NaN.',
          ),
        }),
      )
      .describe(
        'One for each implementation and scope; the reference is there only where it is not finite.',
      ),
  })
  .describe(
    'Where in one batch implementations part: of the local scope the attention, of the accumulated one hidden states and logits. Of at most four batches, those that part most.',
  );

/** The JSON form of a DiffReport: schema `attn-diff/report/v1`. */
export const reportSchema = z
  .strictObject({
    schema: z.literal(REPORT_SCHEMA).describe('What this document is.'),
    command: z
      .array(z.string())
      .describe(
        'Arguments of attn-diff that make this report, without those that only say where and how it is written.',
      ),
    configFile: z
      .string()
      .nullable()
      .describe('The configuration file that took part; null for none.'),
    configuration: configuration.nullable().describe('What it does to the run; null without one.'),
    model: model
      .extend({
        sha256: sha256('the ONNX file and its external data'),
        activations: z
          .enum(['fp16', 'bf16'])
          .nullable()
          .describe(
            'What every floating-point result of the graph is rounded to, or those that a file in half precision holds in it; null for what the provider makes of the file.',
          ),
      })
      .describe('The model that was run.'),
    environment: environment.describe('What it was run with.'),
    batches: z.array(batch).describe('The batches, in order.'),
    implementations: z
      .array(runImplementation)
      .describe('The implementations, in the order asked for, the reference included.'),
    reference: label.describe('Label of the implementation that the others are compared with.'),
    precision: z
      .enum(ATTENTION_PRECISIONS)
      .describe(
        'What attention is run in where an implementation has no other: that of plain attention, which `ratioPlain` is against.',
      ),
    rebuild,
    file,
    inputNotes: z.array(inputNote),
    outputs: z.array(output),
    logits: logits.nullable(),
    rows: z.array(row),
    effects: z.array(effectRow),
    ranges: z.array(rangeRow),
    maps: z.array(map),
    explanations: z.array(explanation),
    findings: z.array(finding),
    recommendation,
    verdict: verdict.describe('What the gate made of it.'),
    baseline: baselineComparison
      .nullable()
      .describe(
        'What came of holding the run against an earlier one; null where it was held against none.',
      ),
    shard: shard.nullable().describe('Null where the report is of all batches.'),
    timing: z
      .strictObject({
        loadSeconds: finite('Loading the model.'),
        runSeconds: finite('Running it.'),
      })
      .describe('Wall-clock seconds; the only part that differs between two runs of one command.'),
  })
  .meta({
    title: 'attn-diff report',
    description: 'How implementations of attention part, layer by layer, in one model.',
  });

// Does not compile where the schema and types.ts part.
true satisfies Same<z.infer<typeof reportSchema>, DiffReport>;
