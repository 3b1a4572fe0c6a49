import type { Aspect, LayerMeasurement, Reading } from '../aspect.js';
import type { Paths } from '../measure.js';

/** Which key/value head each query head attends to: query heads g·n to g·n + n − 1 share head g, as Hugging Face's repeat_kv has it. */
export const kvHeads: Aspect = {
  name: 'kv-heads',
  read: (layer) => {
    const order = outputOrder(layer);
    return (['key', 'value'] as const).flatMap((part): Reading[] => {
      const ranks = ranksOf(layer[part]);
      if (!ranks || (ranks.length !== layer.heads && ranks.length !== layer.kvHeads)) return [];
      const expected =
        ranks.length === layer.kvHeads
          ? [...ranks.keys()]
          : order.map((head) => Math.floor((head * layer.kvHeads) / layer.heads));
      return [
        { part, found: words(ranks, expected, layer), expected: words(expected, expected, layer) },
      ];
    });
  },
};

/** Whether each head's result enters the output projection where its query left the query projection. */
export const headOrder: Aspect = {
  name: 'head-order',
  read: (layer) => {
    const query = ranksOf(layer.query);
    return query && layer.output && ranksOf(layer.output)
      ? [{ part: 'query', found: query.join(','), expected: outputOrder(layer).join(',') }]
      : [];
  },
};

/** What values are multiplied with between their projection and the output projection, but for the probabilities. */
export const valueScale: Aspect = {
  name: 'value-scale',
  read: ({ value, output, rounding }) => {
    const gains = [value, output].map((paths) => paths?.heads.map((head) => head?.gain ?? null));
    if (gains.some((list) => !list || list.length === 0 || list.includes(null))) return [];
    const worst = (list: readonly (number | null)[]): number =>
      list.reduce<number>(
        (far, gain) => (Math.abs(gain! - 1) > Math.abs(far - 1) ? gain! : far),
        1,
      );
    const found = gains.reduce((product, list) => product * worst(list!), 1);
    return [
      { part: 'value', found: Number(found.toPrecision(4)), expected: 1, tolerance: 4 * rounding },
    ];
  },
};

/** By head of the site, which head of the projection it is; null where one is not understood. */
function ranksOf(paths: Paths | null): number[] | null {
  const offsets = paths?.heads.map((head) => head?.offset ?? null);
  if (!offsets || offsets.length === 0 || offsets.includes(null)) return null;
  const distinct = [...new Set(offsets as number[])].sort((a, b) => a - b);
  return (offsets as number[]).map((offset) => distinct.indexOf(offset));
}

/** By head of the site, which block of the output projection's input it becomes; in order where that is not understood. */
function outputOrder(layer: LayerMeasurement): number[] {
  const heads = Array.from({ length: layer.heads }, (_, head) => head);
  const blocks = ranksOf(layer.output);
  return blocks ? heads.map((head) => blocks.indexOf(head)) : heads;
}

function words(
  ranks: readonly number[],
  repeated: readonly number[],
  { heads, kvHeads: count }: LayerMeasurement,
): string {
  const list = ranks.join(',');
  if (list === repeated.join(',')) return 'repeated';
  return ranks.length === heads && ranks.every((rank, head) => rank === head % count)
    ? 'tiled'
    : list;
}
