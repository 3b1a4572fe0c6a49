import type { GraphBuilder } from '../onnx/builder.js';
import { DataType } from '../onnx/types.js';
import type { MaskFill } from '../types.js';
import { maskFillValue, type Masks } from './implementations/types.js';

/** A graph input that the rebuilt graph added and the caller feeds for every batch. */
export type AddedInput =
  | { name: string; role: 'allowed' | 'rowHasKey'; window: number | null }
  | { name: string; role: 'gather' | 'scatter' | 'seqlensK' | 'totalLength' }
  /** int64 [N·B,S], once per stream: position_ids, for a fused node that counts positions itself. */
  | { name: string; role: 'positionIds' };

/** Mask tensors of a rebuilt graph: each becomes a graph input, or a node over one, when it is first asked for. */
export function maskInputs(builder: GraphBuilder, fill: MaskFill): { masks: Masks; positions: () => string; added: AddedInput[] } {
  const added: AddedInput[] = [];
  const known = new Map<string, string>();
  const once = (key: string, make: () => string): string => {
    let name = known.get(key);
    if (name === undefined) {
      name = make();
      known.set(key, name);
    }
    return name;
  };
  const suffix = (window: number | null): string => (window === null ? '' : `_window${window}`);
  const input = (entry: AddedInput, type: DataType, shape: readonly (number | string)[]): string =>
    once(entry.name, () => {
      added.push(entry);
      return builder.input(entry.name, type, shape);
    });
  const masks: Masks = {
    allowed: (window) =>
      input({ name: `attn_diff/allowed${suffix(window)}`, role: 'allowed', window }, DataType.BOOL, ['attn_diff_batch', 1, 'attn_diff_query', 'attn_diff_key']),
    rowHasKey: (window) =>
      input({ name: `attn_diff/row_has_key${suffix(window)}`, role: 'rowHasKey', window }, DataType.BOOL, ['attn_diff_batch', 1, 'attn_diff_query', 1]),
    additive: (window) =>
      once(`additive${suffix(window)}`, () => builder.op('Where', [masks.allowed(window), builder.float(0), builder.float(maskFillValue(fill))])),
    gather: () => input({ name: 'attn_diff/gather', role: 'gather' }, DataType.INT64, ['attn_diff_batch', 'attn_diff_query']),
    scatter: () => input({ name: 'attn_diff/scatter', role: 'scatter' }, DataType.INT64, ['attn_diff_batch', 'attn_diff_query']),
    seqlensK: () => input({ name: 'attn_diff/seqlens_k', role: 'seqlensK' }, DataType.INT32, ['attn_diff_batch']),
    totalLength: () => input({ name: 'attn_diff/total_length', role: 'totalLength' }, DataType.INT32, []),
  };
  const positions = (): string => input({ name: 'attn_diff/position_ids', role: 'positionIds' }, DataType.INT64, ['attn_diff_rows', 'attn_diff_query']);
  return { masks, positions, added };
}
