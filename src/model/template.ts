import { Template } from '@huggingface/jinja';
import { isObject, type JsonObject } from './json.js';

/** Python's str.isspace, which is not JavaScript's \s. */
const SPACE = String.raw`\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const PREFIX = '_attn_diff_';

type TemplateFunction = (value: unknown, argument?: unknown) => unknown;

const METHODS = new Map<string, TemplateFunction>([
  ['strip', (text, chars) => strip(text, chars, 'both')],
  ['lstrip', (text, chars) => strip(text, chars, 'left')],
  ['rstrip', (text, chars) => strip(text, chars, 'right')],
  ['capitalize', capitalize],
]);
const FILTERS = new Map<string, TemplateFunction>([
  ['trim', (text, chars) => strip(text, chars, 'both')],
  ['capitalize', capitalize],
  ['length', length],
  ['count', length],
]);
const FUNCTIONS = Object.fromEntries(
  [...METHODS, ...FILTERS, ['print', print] as const].map(([name, implementation]) => [
    PREFIX + name,
    implementation,
  ]),
);
const PRINTED = new Set([
  'Identifier',
  'MemberExpression',
  'CallExpression',
  'BinaryExpression',
  'UnaryExpression',
  'FilterExpression',
  'TestExpression',
  'SelectExpression',
  'Ternary',
]);

/**
 * Renders a chat template as Python's jinja2 does in apply_chat_template: @huggingface/jinja, with what it does
 * otherwise replaced. There strip, lstrip, rstrip and trim pass over their argument and strip JavaScript's white space,
 * capitalize keeps capitals, length counts UTF-16 units, and True and None are printed as JavaScript writes them.
 *
 * @throws Error what jinja says, the template's own raise_exception included
 */
export function renderTemplate(source: string, variables: JsonObject): string {
  const template = new Template(source);
  template.parsed = rewritten(template.parsed) as Template['parsed'];
  return template.render({ ...variables, ...FUNCTIONS });
}

function rewritten(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(rewritten);
  if (node instanceof Map)
    return new Map([...node].map(([key, value]) => [rewritten(key), rewritten(value)]));
  if (!isObject(node)) return node;
  for (const [key, value] of Object.entries(node)) {
    const child = rewritten(value);
    const body = Array.isArray(child) && ['body', 'alternate', 'defaultBlock'].includes(key);
    node[key] = body
      ? child.map((statement: JsonObject) =>
          PRINTED.has(String(statement['type'])) ? printed(statement) : statement,
        )
      : child;
  }
  return replacedMethod(node) ?? replacedFilter(node) ?? node;
}

function replacedMethod({ type, callee, args }: JsonObject): unknown {
  if (
    type !== 'CallExpression' ||
    !isObject(callee) ||
    callee['type'] !== 'MemberExpression' ||
    callee['computed'] === true
  )
    return null;
  const name = nameOf(callee['property']);
  return METHODS.has(name) ? call(name, [callee['object'], ...(args as unknown[])]) : null;
}

function replacedFilter({ type, operand, filter }: JsonObject): unknown {
  if (type !== 'FilterExpression' || !isObject(filter)) return null;
  const withArguments = filter['type'] === 'CallExpression';
  const name = nameOf(withArguments ? filter['callee'] : filter);
  return FILTERS.has(name)
    ? call(name, [operand, ...(withArguments ? (filter['args'] as unknown[]) : [])])
    : null;
}

function nameOf(identifier: unknown): string {
  return isObject(identifier) && identifier['type'] === 'Identifier'
    ? String(identifier['value'])
    : '';
}

/** None arrives in a function as undefined does, so that whether it is none goes along. */
function printed(expression: JsonObject): unknown {
  const [test] = new Template('{{ x is none }}').parsed.body;
  return call('print', [expression, Object.assign(test!, { operand: expression })]);
}

/** A call of one of {@link FUNCTIONS}; parsed, since jinja does not export the classes of its nodes. */
function call(name: string, args: unknown[]): unknown {
  return Object.assign(new Template(`{{ ${PREFIX}${name}() }}`).parsed.body[0]!, { args });
}

function strip(text: unknown, chars: unknown, side: 'both' | 'left' | 'right'): string {
  if (typeof text !== 'string') throw new Error('it strips something that is not a text');
  if (chars !== undefined && chars !== null && typeof chars !== 'string')
    throw new Error('it strips what is not a text');
  if (chars === '') return text;
  const set = `[${typeof chars === 'string' ? chars.replace(/[\\\]^-]/g, String.raw`\$&`) : SPACE}]+`;
  const left = side === 'right' ? text : text.replace(new RegExp(`^${set}`, 'u'), '');
  return side === 'left' ? left : left.replace(new RegExp(`${set}$`, 'u'), '');
}

function capitalize(text: unknown): string {
  if (typeof text !== 'string') throw new Error('it capitalizes something that is not a text');
  const [first = '', ...rest] = text;
  return first.toUpperCase() + rest.join('').toLowerCase();
}

function length(value: unknown): number {
  if (typeof value === 'string') return [...value].length;
  if (Array.isArray(value)) return value.length;
  if (value instanceof Map) return value.size;
  throw new Error('it asks for the length of something that has none');
}

function print(value: unknown, none: unknown): unknown {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (none === true) return 'None';
  if (typeof value === 'object')
    throw new Error('it prints a list or an object, which Python writes otherwise');
  return value ?? '';
}
