/** Lists and objects within one another; what attn-diff reads nests ten or so. */
const DEEPEST = 500;

/**
 * As JSON.parse; what nests so deep that whatever follows it would overflow the stack is refused.
 *
 * @throws SyntaxError
 */
export function parseBoundedJson(text: string): unknown {
  checkNesting(text);
  return JSON.parse(text);
}

/**
 * @param text JSON, in which comments may stand
 * @throws SyntaxError where lists and objects nest too deep
 */
export function checkNesting(text: string): void {
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\[^])*"|\/\/.*|\/\*[^]*?\*\/|[[{]|[\]}]/g)) {
    if (token === '[' || token === '{') depth++;
    else if (token === ']' || token === '}') depth--;
    if (depth > DEEPEST) throw new SyntaxError(`lists and objects nest more than ${DEEPEST} deep`);
  }
}

/** Columns that a line of YAML may be set in, with the signs that open lists and keys. */
const WIDEST_INDENT = 1000;

/**
 * @param text YAML; what stands in quotes is counted too
 * @throws SyntaxError where lists and objects nest too deep; the parser would overflow the stack, or end the process
 */
export function checkYamlNesting(text: string): void {
  let depth = 0;
  for (const [bracket] of text.matchAll(/[[{\]}]/g)) {
    depth = bracket === '[' || bracket === '{' ? depth + 1 : Math.max(0, depth - 1);
    if (depth > DEEPEST) throw new SyntaxError(`lists and objects nest more than ${DEEPEST} deep`);
  }
  for (const [indent] of text.matchAll(/^[ \t?:-]+/gm)) {
    if (indent.length > WIDEST_INDENT)
      throw new SyntaxError(`a line is set in more than ${WIDEST_INDENT} columns`);
  }
}
