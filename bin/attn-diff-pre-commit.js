#!/usr/bin/env node
// Imported as it runs: an import that fails at the head of a file ends with 1, which means a failed gate.
import('./start.js')
  .then(({ start }) => start('attn-diff-pre-commit', () => import('../dist/preCommit.js')))
  .catch((error) => {
    process.exitCode = 4;
    process.stderr.on('error', () => process.exit(4));
    process.stderr.write(
      `attn-diff-pre-commit: it cannot start: ${error.message}. Install it again.\n`,
    );
  });
