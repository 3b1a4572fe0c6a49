// Writes THIRD-PARTY-LICENSES.md, or another file: the packages that are installed with attn-diff, and their licences.
//
//   licences.js [FILE]
import { readFileSync, writeFileSync } from 'node:fs';

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const installed = Object.entries(packages).filter(
  ([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional,
);
const rows = installed.map(([path, { name, version, license }]) => [
  `${path.replace(/^.*node_modules\//, '')}${name ? ` (replaced by ${name})` : ''}`,
  version,
  license ?? 'not named',
]);

writeFileSync(
  process.argv[2] ?? 'THIRD-PARTY-LICENSES.md',
  `# Licences of others

attn-diff itself is under the Apache License 2.0 ([LICENSE](LICENSE)). \`npm run licences\` makes this file of package-lock.json.

npm installs these packages with attn-diff, each with its own licence file. onnxruntime-node holds ONNX Runtime as compiled code; what that is made of is in the ThirdPartyNotices.txt of [ONNX Runtime](https://github.com/microsoft/onnxruntime). The page of an HTML report has a script in which further packages are bundled; their licences stand at its top (\`dist/page/page.js\`).

| package | version | licence |
|---|---|---|
${rows
  .toSorted(([a], [b]) => (a < b ? -1 : 1))
  .map((cells) => `| ${cells.join(' | ')} |`)
  .join('\n')}
`,
);
