import { toBinary } from '@bufbuild/protobuf';
import { AttributeProtoSchema, TensorProtoSchema } from 'onnx-buf';
import type { OnnxGraph } from './graph.js';
import { memoised } from './memo.js';

/** Constants up to this many bytes are told apart by content, larger ones by name. */
const COMPARED_BYTES = 4096;

/**
 * Gives every tensor a number such that two tensors with one number hold the same values: they are made by the same
 * operators, attributes and constants from the same inputs. Found by hash-consing.
 *
 * @param roles tensors to be taken as given; those of one role count as the same
 */
export function signatures(
  graph: OnnxGraph,
  roles: ReadonlyMap<string, string>,
): (tensor: string) => number {
  const numbers = new Map<string, number>();
  const numberOf = (key: string): number => {
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    return number;
  };
  const sources = (tensor: string): string[] =>
    roles.has(tensor) || graph.initializers.has(tensor)
      ? []
      : (graph.producer(tensor)?.input.filter((input) => input !== '') ?? []);
  const keyOf = (tensor: string, signature: (input: string) => number): string => {
    const role = roles.get(tensor);
    if (role !== undefined) return `role ${role}`;
    const constant = graph.initializers.get(tensor);
    if (constant) {
      return constant.rawData.length > COMPARED_BYTES || constant.externalData.length > 0
        ? `name ${tensor}`
        : `constant ${hex(toBinary(TensorProtoSchema, { ...constant, name: '' }))}`;
    }
    const node = graph.producer(tensor);
    if (!node) return `name ${tensor}`;
    const attributes = node.attribute
      .map((item) => hex(toBinary(AttributeProtoSchema, item)))
      .toSorted();
    const inputs = node.input.map((input) => (input === '' ? '' : signature(input)));
    return `${node.domain}:${node.opType}[${attributes.join()}](${inputs.join()})#${node.output.indexOf(tensor)}`;
  };
  return memoised(sources, (tensor, signature) => numberOf(keyOf(tensor, signature)));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
