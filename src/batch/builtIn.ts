/** Prompts of clearly unequal lengths, so that padding always takes part: prose, code, and one Chinese sentence. */
export const BUILT_IN_PROMPTS: readonly string[] = [
  'Good morning, neighbour.',
  '老人在河边讲故事。',
  'The bridge was closed, so everyone took the ferry.',
  'def mean(values):\n    return sum(values) / len(values)',
  "Where did she leave the blue notebook, the one with last winter's measurements and the map of the northern harbour?",
  'When the lighthouse keeper finally climbed down, he found three letters on the doorstep: one asked for money, one offered it, and the last, written in pencil, said only that the storm would return before the end of the week.',
];
