/** Names of nodes that a profile written without escapes does not survive, or that attn-diff gives its own. */
export const HOSTILE_NAMES = [
  'a"b',
  'c\\',
  'd\n',
  'e\u0000f',
  '","args":{"op_name":"Attention","provider":"CPUExecutionProvider"},"x":"',
  'attn_diff/layer0/sdpa/Attention',
  '\u202Eg',
  'h',
];
