import type { AttentionConfig } from '../../model/attentionConfig.js';
import type { ConfigAspect, ConfigPart, ConfigSource, ConfigValue } from '../../types.js';
import type { Paths } from './measure.js';
import type { NormPlace } from './norms.js';

/** What was found of one layer by running the parts of its graph; null for what could not be followed. */
export interface LayerMeasurement {
  layer: number;
  /** Layers of one type are compared with each other. */
  type: string;
  heads: number;
  kvHeads: number;
  /** What the scores are multiplied with by the site itself. */
  scale: number;
  query: Paths | null;
  key: Paths | null;
  value: Paths | null;
  /** From the heads' results to what enters the output projection, by its blocks. */
  output: Paths | null;
  /** What each projection's result has added to it: nothing, zeros, or other numbers. */
  bias: Record<'query' | 'key' | 'value', 'none' | 'zero' | 'non-zero'>;
  /** Epsilon of the norms around; `none` where there is no norm. */
  norms: Partial<Record<NormPlace, number | 'none' | null>>;
  /** Relative L2 that the parts' own types explain. */
  rounding: number;
}

/** One thing that was read of a layer. */
export interface Reading {
  part: ConfigPart | null;
  found: ConfigValue;
  /** Null where config.json does not say, so that the other layers do. */
  expected: ConfigValue | null;
  /** `config` unless said. */
  against?: ConfigSource;
  /** Relative difference within which numbers are the same; 0 unless said. */
  tolerance?: number;
  /** What to expect where as many layers have one value as another. */
  usual?: ConfigValue;
}

/** One kind of thing that is compared. A new one is a file of its own and a line in `index.ts`. */
export interface Aspect {
  name: ConfigAspect;
  /** What is to be compared; nothing where it was not understood. */
  read(layer: LayerMeasurement, config: AttentionConfig): Reading[];
}

/** Whether two values are the same within a relative tolerance. */
export function sameValue(a: ConfigValue, b: ConfigValue, tolerance = 0): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b));
}
