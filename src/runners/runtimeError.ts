import { AttnDiffError, type RefusalReason } from '../errors.js';
import type { ProviderName } from '../types.js';

/** What the runtime was asked to do when it threw. */
export type Doing = 'opening' | 'running';

/** How runtimes say that they ran out of memory. */
export const OUT_OF_MEMORY =
  /out of memory|(?:std::)?bad_alloc|failed to allocate|alloc_failed|OUT_OF_DEVICE_MEMORY|CUDNN_STATUS_ALLOC/i;

/** How ONNX Runtime refuses a model, the first that fits; in front of its words stands nothing but the path of the file. */
const REFUSALS: readonly [RegExp, RefusalReason][] = [
  [/is not a registered function\/op|No Op registered for|No opset import for domain/, 'operator'],
  [/Could not find an implementation for|Failed to find kernel for|NOT_IMPLEMENTED/, 'kernel'],
  [/^Type Error/, 'types'],
  [/ShapeInferenceError|Incompatible dimensions/, 'shapes'],
  [/Unsupported model IR version|is till opset \d+|under development and support/, 'version'],
  [/^External data path|^Deserialize tensor|External initializer/i, 'weights'],
  [/Protobuf parsing failed|does not have a graph/, 'damaged'],
];

const WRONG_SIZE = /^Invalid rank for input|^Got invalid dimensions for input/;
const WRONG_TYPE =
  /^Unexpected input data type|^input '[^]*' is missing in 'feeds'|Invalid Feed Input Name/;

/** How a kernel says, once it runs, that it does not do what the node asks for. */
const NOT_DONE_HERE =
  /implemented only (?:on|for|in)|not (?:yet )?implemented|NOT_IMPLEMENTED|(?:is|are) not (?:yet )?supported/i;

/**
 * What an exception of ONNX Runtime means: memory ran out, the model or its input is refused, or a node failed. Its own
 * codes do not reach Node, so this goes by how it words them.
 *
 * @param message of the exception
 * @param provider a message that says nothing of the model is a refusal on the CPU only; others lack libraries or devices
 */
export function runtimeError(
  message: string,
  stage: string,
  doing: Doing,
  provider: ProviderName,
): AttnDiffError {
  const problem = runtimeCause(message);
  const atNode = NODE_STATUS.exec(message);
  if (
    OUT_OF_MEMORY.test(atNode ? atNode[3]! : doing === 'opening' ? withoutPath(message) : message)
  ) {
    return new AttnDiffError('out-of-memory', { stage, problem });
  }
  if (WRONG_SIZE.test(message))
    return new AttnDiffError('input-refused', { stage, what: 'size', problem });
  if (WRONG_TYPE.test(message))
    return new AttnDiffError('input-refused', { stage, what: 'type', problem });
  if (doing === 'opening') {
    const words = withoutPath(message);
    const reason =
      REFUSALS.find(([pattern]) => pattern.test(words))?.[1] ??
      (provider === 'cpu' ? 'graph' : null);
    if (reason !== null) return new AttnDiffError('model-refused', { stage, reason, problem });
  }
  if (atNode && NOT_DONE_HERE.test(atNode[3]!))
    return new AttnDiffError('model-refused', { stage, reason: 'kernel', problem });
  return new AttnDiffError('execution-failed', { stage, problem });
}

const NODE_STATUS =
  /^Non-zero status code returned while running (.*?) node\. Name:'([^]*?)' Status Message: ([^]*)$/;
const REFUSED_NODE = /^In Node, \("([^]*?)", ([^]*?), "[^"]*", -?\d+\) : [^]*? , Error ([^]*)$/;
const NEWER_OPSET = /Opset (\d+) is under development.*for domain (\S+) is till opset (\d+)/;
const PLACE = /^[\w./\\:-]*\.(?:cc|cpp|cxx|cu|cuh|h|hpp):\d+ /;

function withoutPath(message: string): string {
  return message.replace(/^Load model from [^]*? failed:/, '');
}

/** What is wrong in the runtime's words, without the path of the file, places in its own source, signatures or codes. */
export function runtimeCause(message: string): string {
  const words = message.trim();
  const atNode = NODE_STATUS.exec(words);
  if (atNode) return `${atNode[1]} ${quoted(atNode[2]!)}: ${runtimeCause(atNode[3]!)}`;
  const plain = innermost(withoutPath(words)).replaceAll(/\s+/g, ' ').trim();
  const newer = NEWER_OPSET.exec(plain);
  if (newer)
    return `opset ${newer[1]} of ${newer[2]} is newer than ${newer[3]}, the newest that it takes`;
  const shown = plain
    .replace(/^(?:This is an invalid model|Invalid model|Fatal error)[.:]\s*/, '')
    .replace(/^Error: /, '')
    .replace(/ Please fix either the inputs\/outputs or the model\.?$/, '')
    // Behind what CUDA says follow the card's number, the machine's name and a place in the source.
    .replace(/(CUD\w* failure -?\d+: .*?) ; GPU=-?\d+ ; hostname=.*$/, '$1')
    .replace(/ failed\.[\w.]+\.(?:cc|h):\d+ \w+ /, ' failed: ');
  const refused = REFUSED_NODE.exec(shown);
  return refused ? `node ${quoted(refused[1]!)} (${refused[2]}): ${refused[3]}` : shown || words;
}

function quoted(name: string): string {
  return name === '' ? 'without a name' : `"${name}"`;
}

/** The message behind places, signatures, codes and conditions, as often as one wraps another. */
function innermost(text: string): string {
  const stripped = withoutCondition(withoutCode(withoutPlace(text.trim())));
  return stripped === text ? text : innermost(stripped);
}

function withoutCode(text: string): string {
  return text.replace(/^\[ONNXRuntimeError\] : -?\d+ : \w+ : /, '');
}

/** `file.cc:12 void ns::Class::Function(const A&, B) const [with T = int] …`, or `file.cc:12 Function …`. */
function withoutPlace(text: string): string {
  const place = PLACE.exec(text);
  if (!place) return /Error: (\S+\.(?:cc|h):\d+ [^]*)$/.exec(text)?.[1] ?? text;
  const rest = text.slice(place[0].length);
  const opening = rest.indexOf('(');
  if (
    opening < 0 ||
    !/^[\w:~<>*&,\s]*$/.test(rest.slice(0, opening)) ||
    !/::|^(?:static |void |bool )/.test(rest.slice(0, opening))
  ) {
    return rest.replace(/^\w+ /, '');
  }
  const end = closing(rest, opening);
  return rest
    .slice(end + 1)
    .replace(/^ const\b/, '')
    .replace(/^ \[with [^\]]*\]/, '')
    .trim();
}

function closing(text: string, from: number): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')' && --depth === 0) return i;
  }
  return text.length;
}

function withoutCondition(text: string): string {
  return /^[^]*? was false\.\s+(\S[^]*)$/.exec(text)?.[1] ?? text;
}
