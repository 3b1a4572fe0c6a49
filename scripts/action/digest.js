// Writes, for the GitHub action, where it lies, and a digest of all that its installation and build are made of.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const own = ['.npmrc', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
const below = ['scripts', 'src'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).replaceAll('\\', '/')),
);

const hash = createHash('sha256').update(process.versions.node);
for (const path of [...own, ...below].sort())
  hash.update(
    `\n${path} ${createHash('sha256')
      .update(readFileSync(join(root, path)))
      .digest('hex')}`,
  );
process.stdout.write(`root=${resolve(root)}\ndigest=${hash.digest('hex')}\n`);
