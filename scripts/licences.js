// Writes THIRD-PARTY-LICENSES.md, or another file: what is installed with attn-diff, and what its page is bundled of,
// with the licences.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = process.argv[2] ?? 'THIRD-PARTY-LICENSES.md';
/** What src/page imports, and scripts/buildPage.js bundles. */
const BUNDLED = ['@observablehq/plot', 'd3'];
const LICENCE_FILE = /^(?:licen[cs]e|copying)(?:[.-].*)?$/i;

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));

/** The packages that some need, and what those need, as npm has put them. */
function closure(names) {
  const found = new Map();
  const visit = (name, from) => {
    // Node looks in the folders above, the nearest first.
    const parts = from.split('/node_modules/');
    const places = parts.map((_, i) => [...parts.slice(0, parts.length - i), ''].join('/node_modules/').replace(/^\/+/, ''));
    const path = [...places.map((place) => `${place}${name}`), `node_modules/${name}`].find((each) => packages[each]);
    if (path === undefined || found.has(path)) return;
    found.set(path, packages[path]);
    for (const dependency of Object.keys(packages[path].dependencies ?? {})) visit(dependency, path);
  };
  for (const name of names) visit(name, '');
  return [...found];
}

function rows(entries) {
  const lines = entries.map(([path, { version, license }]) => [path.replace(/^.*node_modules\//, ''), version, license ?? 'not named']);
  return lines.toSorted(([a], [b]) => (a < b ? -1 : 1)).map((cells) => `| ${cells.join(' | ')} |`);
}

/** Each text once, with the packages that it is of. */
function texts(entries) {
  const byText = new Map();
  for (const [path] of entries) {
    const files = existsSync(path) ? readdirSync(path).filter((name) => LICENCE_FILE.test(name)) : [];
    if (files.length === 0) throw new Error(`${path} has no file with its licence`);
    const text = files.map((name) => readFileSync(join(path, name), 'utf8').replaceAll('\r\n', '\n').trim()).join('\n\n');
    byText.set(text, [...(byText.get(text) ?? []), path.replace(/^.*node_modules\//, '')]);
  }
  return [...byText].map(([text, names]) => `### ${names.toSorted().join(', ')}\n\n\`\`\`text\n${text}\n\`\`\``).toSorted();
}

const installed = Object.entries(packages).filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional);
const bundled = closure(BUNDLED);
const HEAD = ['| package | version | licence |', '|---|---|---|'];
writeFileSync(FILE, `# Licences of others

attn-diff itself is under the Apache License 2.0 ([LICENSE](LICENSE)). \`npm run licences\` makes this file of package-lock.json.

## Installed with attn-diff

npm installs these packages beside it, each with its own licence file. onnxruntime-node holds ONNX Runtime as compiled code; what that is made of is in the ThirdPartyNotices.txt of [ONNX Runtime](https://github.com/microsoft/onnxruntime).

${[...HEAD, ...rows(installed)].join('\n')}

## Part of attn-diff

The script in the page of an HTML report, \`dist/page/page.js\`, is bundled of these, as far as it uses them.

${[...HEAD, ...rows(bundled)].join('\n')}

${texts(bundled).join('\n\n')}
`);
