#!/usr/bin/env bash
# What pre-commit runs, from its own clone of this repository: the first time it installs and builds there.
# Not by `language: node`: npm cannot install from git globally, as pre-commit asks it to, what has to be built first.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Written at the end, so that what was interrupted is begun again.
built=$root/node_modules/.attn-diff-built

if [ ! -e "$built" ]; then
  if ! (cd "$root" && npm ci --ignore-scripts --no-audit --no-fund && npm run --silent build) >&2; then
    echo 'attn-diff-pre-commit: attn-diff could not be installed, so nothing was checked.' >&2
    exit 4
  fi
  touch "$built"
fi

# Node ends with 1 too, where it cannot start: only what the program itself decided on is a verdict.
decided=$(mktemp)
trap 'rm -f "$decided"' EXIT
code=0
node "$root/scripts/decided.js" "$decided" "$root/bin/attn-diff-pre-commit.js" "$@" || code=$?
if [ "$(cat "$decided")" != "$code" ]; then
  echo "attn-diff-pre-commit: it did not come to an end: node ended with exit code $code." >&2
  code=4
fi
exit "$code"
