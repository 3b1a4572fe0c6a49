import { roundsProducts } from '../onnx/quantised.js';
import { encodeModel } from '../onnx/read.js';
import type { GraphProto, ModelProto } from '../onnx/types.js';
import type { SessionRequest } from './types.js';

/**
 * Asks for a session on a model that was made here, such that its nodes compute what they would in a session of
 * defaults. Most do so however they are opened: prepacking changes no number, and fusing the last bits. MatMulNBits with
 * accuracy_level 4 does not: it has another kernel without prepacked weights (4e-3 to 1.4e-2 of relative L2 on logits),
 * and since it rounds activations to 8 bits, the last bit of what enters it decides whole steps (1e-3).
 *
 * @param folder that external data is relative to
 */
export function modelRequest(model: ModelProto, folder: string): SessionRequest {
  return {
    model: { bytes: encodeModel(model), folder },
    ...(roundsProducts(model.graph!) ? { prepack: true, fuse: 'outside-attention' as const } : {}),
  };
}

/** Asks for a session on a file as it is that computes what one of defaults does; where prepacking changes no number, without it, to save memory. */
export function fileRequest(model: SessionRequest['model'], graph: GraphProto): SessionRequest {
  return { model, fuse: 'all', prepack: roundsProducts(graph) };
}

/** Asks for a session on a file as it is that is opened as {@link modelRequest} opens a model made of it. */
export function plainFileRequest(
  model: SessionRequest['model'],
  graph: GraphProto,
): SessionRequest {
  return {
    model,
    ...(roundsProducts(graph) ? { prepack: true, fuse: 'outside-attention' as const } : {}),
  };
}
