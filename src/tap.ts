/** What is measured, and of which tokens. */

export const PADDING_SIDES = ['left', 'right'] as const;
export type PaddingSide = (typeof PADDING_SIDES)[number];

/** Where a tensor is measured: what leaves attention, what leaves a layer, what leaves the model. */
export type Tap = 'attention' | 'hidden' | 'logits';

/**
 * `local`: the implementation on the reference stream's Q, K, V (what this layer's kernel introduces).
 * `accumulated`: the implementation in its own stream (what has built up).
 */
export type Scope = 'local' | 'accumulated';

/**
 * Every token is of exactly one kind: `valid` (attention_mask 1); `padding` (attention_mask 0, but its
 * query may look at some key); `fullyMasked` (its query may look at no key).
 */
export const TOKEN_KINDS = ['valid', 'padding', 'fullyMasked'] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];
