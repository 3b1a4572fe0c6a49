import { AttnDiffError } from '../errors.js';
import { nestedGraphs, normalDomain, readNames } from './graph.js';
import { sortNodes } from './rewrite.js';
import {
  BYTES_PER_ELEMENT,
  DataLocation,
  type DataType,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
} from './types.js';

/** Nodes that a file may have once its functions are written out. */
const MOST_NODES = 400_000;

/**
 * Checks a decoded file for what everything that follows graphs relies on: weights are as large as their shapes, no node
 * reads what it makes, no function calls itself. Nodes that are not in the order of the data are put in it.
 *
 * @param path only named in errors
 * @throws AttnDiffError graph-invalid
 */
export function checkGraph(model: ModelProto, path: string): void {
  const invalid = (problem: string): AttnDiffError =>
    new AttnDiffError('graph-invalid', { path, problem });
  checkSizes(model.graph!, invalid);
  checkFunctions(model, invalid);
  const stuck = firstOutOfOrder(model.graph!);
  if (stuck === 'sorted') return;
  if (stuck !== 'unsorted')
    throw invalid(
      `node "${stuck.name || stuck.output[0]}" (${stuck.opType}) reads what is computed from its own output: a cycle`,
    );
  sortNodes(model.graph!);
}

/** Of weights in the file itself: whoever reads one reserves what its shape asks for. */
function checkSizes(
  { initializer }: GraphProto,
  invalid: (problem: string) => AttnDiffError,
): void {
  for (const { name, dims, dataType, dataLocation, rawData } of initializer) {
    const width = BYTES_PER_ELEMENT[dataType as DataType];
    if (width === undefined || dataLocation === DataLocation.EXTERNAL || rawData.byteLength === 0)
      continue;
    const needed = dims.reduce((product, dim) => product * dim, BigInt(width));
    if (needed !== BigInt(rawData.byteLength))
      throw invalid(
        `weight "${name}" has ${rawData.byteLength} bytes, and its shape [${dims.join(', ')}] needs ${needed}`,
      );
  }
}

/** Whether nodes come after all that they read; where they do not, a node of a cycle if there is one. */
function firstOutOfOrder(graph: GraphProto): 'sorted' | 'unsorted' | NodeProto {
  const producers = new Map<string, number>();
  graph.node.forEach((node, i) => {
    for (const output of node.output) if (output !== '') producers.set(output, i);
  });
  const sources = graph.node.map((node) => [
    ...new Set(readNames(node).flatMap((name) => producers.get(name) ?? [])),
  ]);
  if (sources.every((from, i) => from.every((source) => source < i))) return 'sorted';
  const waiting = sources.map(({ length }) => length);
  const readers: number[][] = graph.node.map(() => []);
  sources.forEach((from, i) => {
    for (const source of from) readers[source]!.push(i);
  });
  const ready = waiting.flatMap((count, i) => (count === 0 ? [i] : []));
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    for (const reader of readers[next]!) if (--waiting[reader]! === 0) ready.push(reader);
  }
  const stuck = waiting.findIndex((count) => count > 0);
  return stuck < 0 ? 'unsorted' : graph.node[onCycle(stuck, sources, waiting)]!;
}

/** From a node that waits for a cycle, or is on one, backwards to one that is on it. */
function onCycle(
  from: number,
  sources: readonly (readonly number[])[],
  waiting: readonly number[],
): number {
  const seen = new Set<number>();
  let at = from;
  while (!seen.has(at)) {
    seen.add(at);
    at = sources[at]!.find((source) => waiting[source]! > 0)!;
  }
  return at;
}

function keyOf({ domain, name }: Pick<FunctionProto, 'domain' | 'name'>): string {
  return JSON.stringify([normalDomain(domain), name]);
}

function calledBy(nodes: readonly NodeProto[]): string[] {
  const called: string[] = [];
  const open = [...nodes];
  for (let node = open.pop(); node; node = open.pop()) {
    called.push(keyOf({ domain: node.domain, name: node.opType }));
    for (const graph of nestedGraphs(node)) for (const inner of graph.node) open.push(inner);
  }
  return called;
}

function checkFunctions(model: ModelProto, invalid: (problem: string) => AttnDiffError): void {
  if (model.functions.length === 0) return;
  const functions = new Map(
    model.functions.map((each) => [keyOf(each), { name: each.name, called: calledBy(each.node) }]),
  );
  const sizes = new Map<string, number>();
  const open = new Set<string>();
  for (const root of functions.keys()) {
    const stack = [root];
    for (let key = stack.at(-1); key !== undefined; key = stack.at(-1)) {
      if (sizes.has(key)) {
        stack.pop();
        continue;
      }
      const { called, name } = functions.get(key)!;
      const waiting = [...new Set(called)].filter(
        (each) => functions.has(each) && !sizes.has(each),
      );
      const again = waiting.find((each) => open.has(each) || each === key);
      if (again !== undefined)
        throw invalid(
          `the function "${functions.get(again)!.name}" calls itself${again === key ? '' : ` through "${name}"`}`,
        );
      if (waiting.length === 0) {
        open.delete(key);
        sizes.set(
          key,
          called.reduce((sum, each) => sum + (sizes.get(each) ?? 1), 0),
        );
        stack.pop();
      } else {
        open.add(key);
        stack.push(waiting[0]!);
      }
    }
  }
  const total = calledBy(model.graph!.node).reduce((sum, each) => sum + (sizes.get(each) ?? 1), 0);
  if (total > MOST_NODES)
    throw invalid(`its functions, written out, are ${total.toPrecision(3)} nodes`);
}
