// Writes the reference of the report's fields in docs/json.md from the schema, between the two comments there. Needs a
// build.
//
//   node scripts/jsonReference.js           writes docs/json.md
//   node scripts/jsonReference.js --print   writes the whole document to standard output instead
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { documentJsonSchema } from '../dist/report/jsonSchema.js';

const DOCS = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs');
const DOCUMENT = join(DOCS, 'json.md');
const BEGIN = '<!-- reference: npm run reference writes it from the schema -->';
const END = '<!-- end of the reference -->';
/** The end of the description of every number that may be NaN or infinite; their type says so here. */
const MAY_BE_A_STRING = / NaN and ±Infinity are strings\.$/;

/** Variants that are named where a field means something else in others. */
const MOST_NAMED = 4;

const code = (text) => `\`${text}\``;
/** The code of a finding leads to its page. */
const linked = (value) =>
  existsSync(join(DOCS, 'findings', `${value}.md`))
    ? `[${code(value)}](findings/${value}.md)`
    : code(value);
const plural = (type) =>
  type.replace(/^(integer|number|string)( or null)?$/, (_, name, orNull) =>
    orNull ? `(${name} or null)` : `${name}s`,
  );
const row = (cells) => `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
const table = (head, rows) =>
  [row(head), `|${'---|'.repeat(head.length)}`, ...rows.map(row)].join('\n');
const anchor = (title) =>
  title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

/** What a schema allows besides null. */
function withoutNull(schema) {
  const options = schema.anyOf?.filter(({ type }) => type !== 'null');
  return options?.length === 1
    ? { schema: options[0], isNullable: options.length < schema.anyOf.length }
    : { schema, isNullable: false };
}

function describe(schema, path) {
  const inner = withoutNull(schema).schema;
  const element = inner.items ?? inner;
  // An object has a section that tells what is in it.
  const description =
    schema.description ??
    inner.description ??
    element.description ??
    (isObject(element) || element.const !== undefined ? '' : undefined);
  if (description === undefined) throw new Error(`${path} has no description in the schema`);
  return description.replace(MAY_BE_A_STRING, '');
}

const isUnion = (schema) => schema.oneOf !== undefined;
const isObject = (schema) => schema.properties !== undefined || isUnion(schema);
const isNumber = (schema) =>
  schema.anyOf?.some(({ type }) => type === 'number') &&
  schema.anyOf.some((option) => option.enum?.includes('NaN'));

/** Objects of the report, each with a section of its own behind that of its parent; those that are alike share the section of the first. */
class Reference {
  #titles = new Map();
  #nested = [];

  /** The section of an object, and those of the objects in it. */
  sections(schema, title) {
    const own = isUnion(schema) ? this.#variants(schema, title) : this.#fields(schema, title);
    const nested = this.#nested.splice(0, Infinity);
    return [
      title === '' ? own : `### ${code(title)}\n\n${own}`,
      ...nested.flatMap((object) => this.sections(object.schema, object.title)),
    ];
  }

  #fields(schema, path) {
    const rows = Object.entries(schema.properties).map(([name, property]) => {
      const own = path === '' ? name : `${path}.${name}`;
      return [
        `${code(name)}${schema.required?.includes(name) ? '' : ', or absent'}`,
        this.#type(property, own),
        describe(property, own),
      ];
    });
    return table(['field', 'type', 'meaning'], rows);
  }

  /** The fields of an object that has others for each value of one of them: which value has which, and what they are. */
  #variants(schema, path) {
    const tag = Object.keys(schema.oneOf[0].properties).find((name) =>
      schema.oneOf.every(
        ({ properties }) =>
          properties[name]?.const !== undefined || properties[name]?.enum !== undefined,
      ),
    );
    const values = ({ const: only, enum: several }) => (only === undefined ? several : [only]);
    const variants = schema.oneOf.map(
      ({ properties: { [tag]: tagged, ...properties }, description = '', required = [] }) => ({
        names: values(tagged).map((value) => (tag === 'code' ? linked(value) : code(value))),
        label: tagged.const === undefined ? 'causes' : code(tagged.const),
        properties,
        description,
        required,
      }),
    );
    const fields = new Map();
    for (const { label, properties, required } of variants) {
      for (const [name, property] of Object.entries(properties)) {
        const cells = [
          `${code(name)}${required.includes(name) ? '' : ', or absent'}`,
          this.#type(property, `${path}.${name}`),
          describe(property, `${path}.${name}`),
        ];
        const key = JSON.stringify(cells);
        fields.set(key, { name, cells, of: [...(fields.get(key)?.of ?? []), label] });
      }
    }
    const shown = [...fields.values()].toSorted((a, b) =>
      a.name < b.name ? -1 : a.name > b.name ? 1 : b.of.length - a.of.length,
    );
    const meaning = ({ name, cells, of }) => {
      const alike = shown.filter((other) => other.name === name);
      return alike.length === 1
        ? cells[2]
        : `${of.length > MOST_NAMED && alike[0].of === of ? 'others' : of.join(', ')}: ${cells[2]}`;
    };
    const isDescribed = variants.some(({ description }) => description !== '');
    return [
      table(
        [code(tag), 'fields besides', ...(isDescribed ? ['meaning'] : [])],
        variants.map(({ names, properties, description }) => [
          names.join(', '),
          Object.keys(properties).map(code).join(', '),
          ...(isDescribed ? [description] : []),
        ]),
      ),
      table(
        ['field', 'type', 'meaning'],
        shown.map((field) => [...field.cells.slice(0, 2), meaning(field)]),
      ),
    ].join('\n\n');
  }

  #type(property, path) {
    const { schema, isNullable } = withoutNull(property);
    return `${this.#bareType(schema, path)}${isNullable ? ' or null' : ''}`;
  }

  #bareType(schema, path) {
    if (isNumber(schema)) return 'number *';
    if (schema.const !== undefined) return code(JSON.stringify(schema.const));
    if (schema.enum) return schema.enum.map(code).join(', ');
    if (schema.prefixItems)
      return `(${schema.prefixItems.map((item) => this.#type(item, path)).join(', ')})`;
    if (schema.type === 'array')
      return isObject(schema.items)
        ? `list of ${this.#link(schema.items, `${path}[]`)}`
        : `list of ${plural(this.#type(schema.items, path))}`;
    if (schema.additionalProperties)
      return `object of ${this.#type(schema.additionalProperties, path)} by name`;
    return isObject(schema) ? this.#link(schema, path) : [schema.type].flat().join(' or ');
  }

  #link(schema, path) {
    const key = JSON.stringify(isUnion(schema) ? schema.oneOf : schema.properties);
    if (!this.#titles.has(key)) {
      this.#titles.set(key, path);
      this.#nested.push({ title: path, schema });
    }
    const title = this.#titles.get(key);
    return `[${code(title)}](#${anchor(title)})`;
  }
}

const text = readFileSync(DOCUMENT, 'utf8');
const [before, rest] = text.split(BEGIN);
const after = rest.split(END)[1];
const made = `${before}${BEGIN}\n\n${new Reference().sections(documentJsonSchema('report'), '').join('\n\n')}\n\n${END}${after}`;
if (process.argv.includes('--print')) process.stdout.write(made);
else writeFileSync(DOCUMENT, made);
