// Writes npm-shrinkwrap.json for the tarball, so that who installs it gets the versions, by their digests, that the tests
// ran with. Made of package-lock.json, without what only development needs. It is there while npm packs, and not in a
// clone: npm would take it in place of package-lock.json.
//
//   shrinkwrap.js          writes it
//   shrinkwrap.js --remove removes it
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

const FILE = 'npm-shrinkwrap.json';

if (process.argv[2] === '--remove') {
  rmSync(FILE, { force: true });
} else {
  const { name, version, lockfileVersion, requires, packages } = JSON.parse(
    readFileSync('package-lock.json', 'utf8'),
  );
  const own = JSON.parse(readFileSync('package.json', 'utf8'));
  const { devDependencies: _, ...root } = packages[''];
  if (
    JSON.stringify(root.dependencies) !== JSON.stringify(own.dependencies) ||
    version !== own.version
  )
    throw new Error('package-lock.json is not in step with package.json: run npm install');
  const needed = Object.entries(packages).filter(
    ([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional,
  );
  writeFileSync(
    FILE,
    `${JSON.stringify({ name, version, lockfileVersion, requires, packages: { '': root, ...Object.fromEntries(needed) } }, null, 2)}\n`,
  );
}
