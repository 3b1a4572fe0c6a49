/** What of a layer is compared with config.json and with the other layers. */
export const CONFIG_ASPECTS = [
  'scale',
  'rope',
  'rope-theta',
  'rope-scaling',
  'rope-width',
  'rope-factor',
  'rope-layout',
  'rope-positions',
  'kv-heads',
  'head-order',
  'value-scale',
  'bias',
  'bias-value',
  'qk-norm',
  'norm-epsilon',
  'weights',
] as const;
export type ConfigAspect = (typeof CONFIG_ASPECTS)[number];

/** Which tensor, or which norm, of a layer deviates. */
export const CONFIG_PARTS = [
  'query',
  'key',
  'value',
  'output',
  'input-norm',
  'post-attention-norm',
  'query-norm',
  'key-norm',
  'final-norm',
] as const;
export type ConfigPart = (typeof CONFIG_PARTS)[number];

/** What the expected value is from: config.json, most of the other layers, or the same layer's query. */
export const CONFIG_SOURCES = ['config', 'layers', 'query'] as const;
export type ConfigSource = (typeof CONFIG_SOURCES)[number];

/** A number, or a word such as `none`. */
export type ConfigValue = number | string;

/** The graph computes attention otherwise than config.json, or the other layers, say. */
export interface NotAsConfigured {
  code: 'not-as-configured';
  aspect: ConfigAspect;
  /** Null where the aspect is of the layer as a whole. */
  part: ConfigPart | null;
  /** Empty for the final norm. */
  layers: number[];
  expected: ConfigValue;
  found: ConfigValue;
  against: ConfigSource;
}
