import type { Scope } from './tap.js';

/** What is measured of one tap, for each layer and token of a batch; see metrics/tokenMap.ts for the bytes. */
export interface TokenMapStream {
  implementation: string;
  /** `attention` of the local scope; `hidden`, and after it the logits, of the accumulated one. */
  scope: Scope;
  /** What each row of the map is of, from top to bottom; null for the logits. */
  layers: (number | null)[];
  /** ‖Δ‖ / ‖ref‖ of each token: base64 of one byte for each layer and token, [layers, size·length]. */
  relL2: string;
}

/** Where in one batch implementations part from the reference. */
export interface TokenMap {
  batch: string;
  size: number;
  length: number;
  /** One letter a token, row-major: v valid, p padding, m fully masked. */
  kinds: string;
  streams: TokenMapStream[];
}
