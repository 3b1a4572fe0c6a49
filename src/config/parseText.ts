import {
  findNodeAtLocation,
  getNodePath,
  getNodeValue,
  parseTree,
  printParseErrorCode,
  type Node,
  type ParseError,
} from 'jsonc-parser';
import { isNode, LineCounter, parseDocument } from 'yaml';
import { checkNesting, checkYamlNesting } from '../boundedJson.js';
import { AttnDiffError } from '../errors.js';
import { keyText } from './wrong.js';

/** The content of a file, and where in it each key is. */
export interface ParsedText {
  content: unknown;
  /** The line of a key, from 1; of one that is not there, that of what should hold it. */
  lineOf: (key: readonly PropertyKey[]) => number;
}

/**
 * JSON in which comments and trailing commas are allowed.
 *
 * @param own where in it what is read lies: the rest of a package.json is not looked at
 * @throws AttnDiffError config-file-invalid where it is no such JSON, or a key stands there twice
 */
export function parseJson(text: string, path: string, own: readonly string[]): ParsedText {
  const errors: ParseError[] = [];
  refuseDeep(() => checkNesting(text), path);
  const clean = text.replace(/^\uFEFF/, '');
  const tree = parseTree(clean, errors, { allowTrailingComma: true });
  const lineAt = (offset: number): number => clean.slice(0, offset).split('\n').length;
  const [error] = errors;
  if (error || !tree)
    throw new AttnDiffError('config-file-invalid', {
      path,
      line: error ? lineAt(error.offset) : 1,
      key: null,
      problem: error ? `it is not JSON (${printParseErrorCode(error.error)})` : 'it is empty',
    });
  const find = (key: readonly PropertyKey[]): Node | undefined =>
    findNodeAtLocation(tree, key as (string | number)[]);
  const content = find(own);
  const again = content && secondOfTwo(content);
  if (again)
    throw new AttnDiffError('config-file-invalid', {
      path,
      line: lineAt(again.offset),
      key: keyText(getNodePath(again.children![1]!).slice(own.length)),
      problem: 'it is there twice, and the first would be lost',
    });
  return {
    content: getNodeValue(tree),
    lineOf: nearest(
      (key) => find(key),
      (node) => lineAt((node.parent?.type === 'property' ? node.parent : node).offset),
    ),
  };
}

/** The first property whose key its object has already. */
function secondOfTwo(node: Node): Node | null {
  const keys = new Set<unknown>();
  for (const child of node.children ?? []) {
    const key: unknown = node.type === 'object' ? child.children?.[0]?.value : child;
    if (keys.has(key)) return child;
    keys.add(key);
    const inside = secondOfTwo(child);
    if (inside) return inside;
  }
  return null;
}

function refuseDeep(check: () => void, path: string): void {
  try {
    check();
  } catch (error) {
    throw tooDeep(path, (error as Error).message);
  }
}

function tooDeep(path: string, problem: string): AttnDiffError {
  return new AttnDiffError('config-file-invalid', { path, line: 1, key: null, problem });
}

/** @throws AttnDiffError config-file-invalid where it is not YAML */
export function parseYaml(text: string, path: string): ParsedText {
  const lines = new LineCounter();
  refuseDeep(() => checkYamlNesting(text), path);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error)
    throw new AttnDiffError('config-file-invalid', {
      path,
      line: lines.linePos(error.pos[0]).line,
      key: null,
      problem: `it is not YAML (${error.message})`,
    });
  const find = (key: readonly PropertyKey[]): number | undefined => {
    const node = key.length === 0 ? document.contents : document.getIn(key, true);
    return isNode(node) ? node.range?.[0] : undefined;
  };
  try {
    return {
      content: document.toJS() as unknown,
      lineOf: nearest(find, (offset) => lines.linePos(offset).line),
    };
  } catch (caught) {
    // An alias without its anchor, or too many of them, is seen only here.
    throw new AttnDiffError('config-file-invalid', {
      path,
      line: 1,
      key: null,
      problem: `it is not YAML (${(caught as Error).message})`,
    });
  }
}

/** The line of a key, or of the nearest that holds it. */
function nearest<T>(
  find: (key: readonly PropertyKey[]) => T | undefined,
  line: (found: T) => number,
): ParsedText['lineOf'] {
  return (key) => {
    for (let length = key.length; length >= 0; length--) {
      const found = find(key.slice(0, length));
      if (found !== undefined) return line(found);
    }
    return 1;
  };
}
