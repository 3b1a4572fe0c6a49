/** Mutations of JSON values: of their types, sizes and numbers, and of the text that they are written as. */
import { mutateBytes } from './bytes.mjs';

const HOSTILE = [
  null,
  true,
  false,
  0,
  -1,
  1e308,
  -1e-308,
  0.5,
  2 ** 53,
  4294967296,
  'NaN',
  'Infinity',
  '-Infinity',
  '',
  ' ',
  'a'.repeat(5000),
  '\u0000',
  'a\nb',
  '\u001b[31mred',
  '\u202eevil',
  '\u200b',
  '::error::x',
  '=1+1',
  '<script>alert(1)</script>',
  '../../x',
  '__proto__',
  [],
  {},
  [[]],
  [null],
  { __proto__: null },
  ['x', 1],
];

/** A mutated copy of a JSON value, written as text; at times of its bytes instead. */
export function mutateJson(value, random) {
  if (random.chance(0.2))
    return mutateBytes(new TextEncoder().encode(JSON.stringify(value)), random);
  const copy = structuredClone(value);
  const root = { value: copy };
  for (let count = random.integer(1, 3); count > 0; count--) change(root, random);
  const text = JSON.stringify(root.value) ?? 'null';
  return new TextEncoder().encode(random.chance(0.02) ? deep(text, random) : text);
}

/** The same, of one line of several. */
export function mutateJsonLines(values, random) {
  const at = random.below(values.length);
  const lines = values.map((value, i) =>
    i === at ? mutateJson(value, random) : new TextEncoder().encode(JSON.stringify(value)),
  );
  return Uint8Array.from(Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])));
}

function change(root, random) {
  const { holder, key } = place(root, random);
  if (random.chance(0.25) && key !== 'value') {
    if (!Array.isArray(holder)) delete holder[key];
    else if (random.chance(0.5)) holder.splice(key, 1);
    else holder.splice(key, 0, structuredClone(holder[key]));
    return;
  }
  const now = holder[key];
  if (typeof now === 'number' && random.chance(0.5))
    holder[key] = random.pick([now + 1, -now, now * 1e9, now / 3, 'NaN', 'Infinity', '-Infinity']);
  else if (typeof now === 'string' && random.chance(0.3))
    holder[key] = new TextDecoder().decode(mutateBytes(new TextEncoder().encode(now), random));
  else holder[key] = structuredClone(random.pick(HOSTILE));
  if (random.chance(0.05) && holder !== root && !Array.isArray(holder))
    holder[random.pick(['toString', 'constructor', 'x'])] = 1;
}

/** A place in the value, found by walking down at random. */
function place(root, random) {
  let [holder, key] = [root, 'value'];
  for (;;) {
    const now = holder[key];
    const keys = now !== null && typeof now === 'object' ? Object.keys(now) : [];
    if (keys.length === 0 || (holder !== root && random.chance(0.2))) return { holder, key };
    [holder, key] = [now, Array.isArray(now) ? random.below(keys.length) : random.pick(keys)];
  }
}

function deep(text, random) {
  const levels = random.pick([1000, 50_000]);
  return `${'['.repeat(levels)}${text}${']'.repeat(levels)}`;
}
