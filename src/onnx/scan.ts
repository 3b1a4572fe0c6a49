/** What a protobuf message of an ONNX file holds, by the number of the field: a message that is gone into, or numbers. */
type Kind = 'model' | 'graph' | 'function' | 'node' | 'attribute' | 'tensor';
type Field = Kind | { bytesPerNumber: number };

const FLOATS: Field = { bytesPerNumber: 4 };
const DOUBLES: Field = { bytesPerNumber: 8 };
const VARINTS: Field = { bytesPerNumber: 1 };

const FIELDS: Readonly<Record<Kind, Readonly<Record<number, Field>>>> = {
  model: { 7: 'graph', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor' },
  function: { 7: 'node' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 7: FLOATS, 8: VARINTS, 10: 'tensor', 11: 'graph' },
  tensor: { 1: VARINTS, 4: FLOATS, 5: VARINTS, 7: VARINTS, 10: DOUBLES, 11: VARINTS },
};

/** How much there is in an ONNX file, without decoding it. */
export interface Extent {
  nodes: number;
  /** Fields of all messages, of whatever kind: names, dimensions, attributes. */
  fields: number;
  /** Numbers that are not stored as raw bytes; of integers at most so many. */
  numbers: number;
  /** Graphs within graphs. */
  depth: number;
}

/**
 * Walks over the bytes of an ONNX file without recursion and without keeping anything, so that what would use up memory
 * or the stack when decoded is known before.
 *
 * @returns null where the bytes are not a protobuf message
 */
export function scanModel(bytes: Uint8Array): Extent | null {
  const extent: Extent = { nodes: 0, fields: 0, numbers: 0, depth: 0 };
  const open: { kind: Kind; end: number; depth: number }[] = [
    { kind: 'model', end: bytes.length, depth: 0 },
  ];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || factor > 2 ** 63) return NaN;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  for (let message = open.at(-1); message; message = open.at(-1)) {
    if (at >= message.end) {
      if (at > message.end) return null;
      open.pop();
      continue;
    }
    const tag = varint();
    extent.fields++;
    const wire = tag % 8;
    if (wire === 0) {
      if (Number.isNaN(varint())) return null;
      extent.numbers++;
    } else if (wire === 1 || wire === 5) at += wire === 1 ? 8 : 4;
    else if (wire === 2) {
      const length = varint();
      if (!(at + length <= message.end)) return null;
      const field = FIELDS[message.kind][Math.floor(tag / 8)];
      if (typeof field === 'string') {
        if (field === 'node') extent.nodes++;
        const depth = message.depth + (field === 'graph' && message.kind === 'attribute' ? 1 : 0);
        extent.depth = Math.max(extent.depth, depth);
        open.push({ kind: field, end: at + length, depth });
      } else {
        if (field) extent.numbers += Math.floor(length / field.bytesPerNumber);
        at += length;
      }
    } else return null;
  }
  return extent;
}
