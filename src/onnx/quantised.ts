import { attribute, isMicrosoftOp } from './graph.js';
import type { GraphProto } from './types.js';

/** The accuracy_level at which MatMulNBits rounds activations to 8 bits. */
const INT8_ACTIVATIONS = 4;

/** Whether products with packed weights round what enters them to 8 bits, as accuracy_level 4 asks. */
export function roundsProducts({ node: nodes }: Pick<GraphProto, 'node'>): boolean {
  return nodes.some(
    (node) =>
      isMicrosoftOp(node, 'MatMulNBits') &&
      Number(attribute(node, 'accuracy_level')?.i ?? 0) === INT8_ACTIVATIONS,
  );
}
