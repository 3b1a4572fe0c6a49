// Bundles the script of the HTML report, with Plot and d3 in it, into dist/page/page.js, and puts its style beside it.
// The licences of what is in the bundle stand at its top, since every report is a copy of it.
//
//   npm run build
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FROM = join(ROOT, 'src', 'page');
const TO = join(ROOT, 'dist', 'page');

/** The folder of the package that a module belongs to; null for our own. */
function packageFolder(module) {
  if (!module.includes('/node_modules/')) return null;
  for (let folder = dirname(module); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name) return folder;
  }
}

/** The licences as they are, those that differ in their first line only, which says whose it is, under one text. */
function licences(modules) {
  const folders = [
    ...new Set(modules.map(packageFolder).filter((folder) => folder !== null)),
  ].toSorted();
  const byTerms = new Map();
  for (const folder of folders) {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
    if (!file) throw new Error(`${name} has no licence file`);
    const text = readFileSync(join(folder, file), 'utf8').trim();
    const [, first = '', terms = text] = /^(Copyright .*)\n([^]*)$/.exec(text) ?? [];
    const packages = byTerms.get(terms.trim()) ?? [];
    packages.push(`${name} ${version}${first === '' ? '' : `: ${first}`}`);
    byTerms.set(terms.trim(), packages);
  }
  return [...byTerms]
    .map(([terms, packages]) => `${packages.join('\n')}\n\n${terms}`)
    .join('\n\n---\n\n');
}

const bundle = await rolldown({
  input: join(FROM, 'main.ts'),
  treeshake: { moduleSideEffects: (id) => !/\/node_modules\/d3-/.test(id) },
  platform: 'browser',
  tsconfig: join(FROM, 'tsconfig.json'),
  onLog: (level, log) => {
    throw new Error(`${level}: ${log.message}`);
  },
});
const { output } = await bundle.generate({ format: 'iife', minify: true, comments: false });
const [{ code, moduleIds }] = output;
mkdirSync(TO, { recursive: true });
writeFileSync(
  join(TO, 'page.js'),
  `/*! This script contains:\n\n${licences(moduleIds)}\n*/\n${code.replaceAll('</script', String.raw`<\/script`)}`,
);
copyFileSync(join(FROM, 'page.css'), join(TO, 'page.css'));
