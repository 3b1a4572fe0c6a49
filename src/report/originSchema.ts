import { z } from 'zod';
import { count, finite, text } from './schemaParts.js';

const index = (what: string) =>
  z.int().nonnegative().nullable().describe(`${what}; null where the tensor has no such axis.`);

/** How many batches a finding is seen in. */
export const batches = count('In how many batches the same is seen; `batch` is the first of them.');

/** Where NaN or Inf begins. */
export const origin = z
  .strictObject({
    layer: index('Layer, counted from 0'),
    step: z
      .enum(['scores', 'scaled', 'masked', 'probabilities', 'output', 'node'])
      .describe('Step of attention (QKᵀ, times scale, masked, softmax, PV), or a node outside it.'),
    node: z
      .strictObject({ name: text('Its name.'), opType: text('Its operator.') })
      .nullable()
      .describe('The node of the file, where the step is one of its own.'),
    kind: z
      .enum(['overflow', 'fully-masked', 'invalid', 'weights', 'inside-kernel'])
      .describe(
        'overflow: infinite from finite inputs; fully-masked: a softmax over masked scores alone; invalid: NaN from finite inputs; weights: a weight is not finite; inside-kernel: the kernel does not show its steps, and taken one by one they are finite.',
      ),
    weight: z
      .string()
      .nullable()
      .describe('Name of the weight that is not finite; null of another kind.'),
    value: z.enum(['nan', 'inf', '-inf']).describe('What it is, as numpy writes it.'),
    row: index('Row of the batch'),
    head: index('Query head'),
    query: index('Query position in the padded row'),
    key: index('Key position in the padded row'),
    largest: finite('Largest finite magnitude in the same tensor.').nullable(),
  })
  .describe('The first tensor that is not finite although what it is computed from is.');
