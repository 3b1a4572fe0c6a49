#!/usr/bin/env node
// Imported as it runs: an import that fails at the head of a file ends with 1, which means a failed gate.
import('./start.js')
  .then(({ start }) => start('attn-diff', () => import('../dist/cli.js')))
  .catch((error) => {
    process.exitCode = 4;
    process.stderr.on('error', () => process.exit(4));
    process.stderr.write(`attn-diff: it cannot start: ${error.message}. Install it again.\n`);
  });
