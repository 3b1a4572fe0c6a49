import type { GraphBuilder } from '../onnx/builder.js';
import { DataType } from '../onnx/types.js';
import type { AttentionSettings, MaskSpec } from '../types.js';
import type { Masks, Segments } from './implementations/types.js';
import { maskFillValue, rounded } from './rounding.js';

/** A graph input that the rebuilt graph added and the caller feeds for every batch. */
export type AddedInput =
  | { name: string; role: 'allowed' | 'rowHasKey'; mask: MaskSpec }
  /** float32 [B|1,1|H,S,T]: what the batch's own additive mask adds where it allows, 0 elsewhere. */
  | { name: string; role: 'bias' }
  /** The batch's own additive mask as it is. */
  | { name: string; role: 'additive' }
  /** bool [B,1,S,1]: queries of valid tokens. */
  | { name: string; role: 'valid' }
  | {
      name: string;
      role: 'gather' | 'scatter' | 'seqlensK' | 'totalLength';
      part: 'all' | 'prefill';
    }
  /** See Packed. */
  | {
      name: string;
      role: 'packedGather' | 'packedScatter' | 'packedStarts' | 'packedPast' | 'packedPages';
    }
  /** int64 [N·B,S], once per stream: position_ids, for a fused node that counts positions itself. */
  | { name: string; role: 'positionIds' };

export interface MaskInputs {
  masks: Masks;
  positions: () => string;
  valid: () => string;
  added: AddedInput[];
}

/**
 * Mask tensors of a rebuilt graph: each becomes a graph input, or a node over one, when it is first asked for.
 *
 * @param ownMask whether the batches bring a mask of their own, and of which form
 */
export function maskInputs(
  builder: GraphBuilder,
  ownMask: 'boolean' | 'additive' | null = null,
): MaskInputs {
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
  const input = (entry: AddedInput, type: DataType, shape: readonly (number | string)[]): string =>
    once(entry.name, () => {
      added.push(entry);
      return builder.input(entry.name, type, shape);
    });
  const square = [
    'attn_diff_mask_batch',
    'attn_diff_mask_heads',
    'attn_diff_query',
    'attn_diff_key',
  ];
  // The batch's own mask may have one row, or one head, for all: a size of its own, lest memory be shared by name.
  const ownSquare = [
    'attn_diff_own_batch',
    'attn_diff_own_heads',
    'attn_diff_query',
    'attn_diff_key',
  ];
  const masks: Masks = {
    allowed: (mask) =>
      input(
        { name: `attn_diff/allowed${suffix(mask)}`, role: 'allowed', mask },
        DataType.BOOL,
        square,
      ),
    rowHasKey: (mask) =>
      input(
        { name: `attn_diff/row_has_key${suffix(mask)}`, role: 'rowHasKey', mask },
        DataType.BOOL,
        ['attn_diff_mask_batch', 'attn_diff_mask_heads', 'attn_diff_query', 1],
      ),
    bias: () =>
      ownMask === 'additive'
        ? input({ name: 'attn_diff/bias', role: 'bias' }, DataType.FLOAT, ownSquare)
        : null,
    additive: (mask, settings) => {
      const key = `additive${suffix(mask)}/${settings.maskFill}/${settings.precision}/${settings.scoresPrecision}`;
      return once(key, () => builder.within('masks', () => additive(mask, settings)));
    },
    segments: (part) => segments(part),
    packed: () => ({
      gather: input({ name: 'attn_diff/packed_gather', role: 'packedGather' }, DataType.INT64, [
        'attn_diff_packed',
      ]),
      scatter: input({ name: 'attn_diff/packed_scatter', role: 'packedScatter' }, DataType.INT64, [
        'attn_diff_batch',
        'attn_diff_tokens_all',
      ]),
      starts: input({ name: 'attn_diff/packed_starts', role: 'packedStarts' }, DataType.INT32, [
        'attn_diff_packed_starts',
      ]),
      pastLengths: input({ name: 'attn_diff/packed_past', role: 'packedPast' }, DataType.INT32, [
        'attn_diff_rows_all',
      ]),
      pages: input({ name: 'attn_diff/packed_pages', role: 'packedPages' }, DataType.INT32, [
        'attn_diff_rows_all',
        'attn_diff_pages',
      ]),
    }),
  };
  const additive = (mask: MaskSpec, settings: AttentionSettings): string => {
    if (ownMask === 'additive' && settings.maskFill === 'min' && suffix(mask) === '')
      return own(
        input({ name: 'attn_diff/additive', role: 'additive' }, DataType.FLOAT, ownSquare),
        settings,
      );
    return builder.op('Where', [
      masks.allowed(mask),
      masks.bias() ?? builder.float(0),
      builder.float(maskFillValue(settings)),
    ]);
  };
  // finfo(float32).min means the least number of whatever precision; −inf stays.
  const own = (tensor: string, settings: AttentionSettings): string => {
    if (settings.precision === 'fp32' && settings.scoresPrecision === 'fp32') return tensor;
    const raised = builder.op('Max', [tensor, builder.float(maskFillValue(settings))]);
    return rounded(
      builder,
      builder.op('Where', [builder.op('IsInf', [tensor]), tensor, raised]),
      settings.precision,
    );
  };
  const segments = (part: 'all' | 'prefill'): Segments => {
    const name = (of: string): string => `attn_diff/${of}${part === 'all' ? '' : `_${part}`}`;
    const axis = (of: string): string => `attn_diff_${of}_${part}`;
    return {
      gather: input({ name: name('gather'), role: 'gather', part }, DataType.INT64, [
        axis('rows'),
        axis('slots'),
      ]),
      scatter: input({ name: name('scatter'), role: 'scatter', part }, DataType.INT64, [
        'attn_diff_batch',
        axis('tokens'),
      ]),
      seqlensK: input({ name: name('seqlens_k'), role: 'seqlensK', part }, DataType.INT32, [
        axis('rows'),
      ]),
      totalLength: input(
        { name: name('total_length'), role: 'totalLength', part },
        DataType.INT32,
        [],
      ),
    };
  };
  return {
    masks,
    added,
    positions: () =>
      input({ name: 'attn_diff/position_ids', role: 'positionIds' }, DataType.INT64, [
        'attn_diff_rows',
        'attn_diff_query',
      ]),
    valid: () =>
      input({ name: 'attn_diff/valid', role: 'valid' }, DataType.BOOL, [
        'attn_diff_batch',
        1,
        'attn_diff_query',
        1,
      ]),
  };
}

/** Tells apart masks by how they depart from the plain causal padding mask. */
function suffix({ window, causal, padding, alignment, shift }: MaskSpec): string {
  return [
    window === null ? '' : `_window${window}`,
    causal ? '' : '_not_causal',
    padding === 'as given' ? '' : `_padding_${padding}`,
    alignment === 'bottom-right' ? '' : '_top_left',
    shift === 0 ? '' : `_shift${shift}`,
  ].join('');
}
