#!/usr/bin/env bash
# What pre-commit runs, from its own clone of this repository: the first time it installs and builds there.
# Not by `language: node`: npm cannot install from git globally, as pre-commit asks it to, what has to be built first.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Written at the end, so that what was interrupted is begun again.
built=$root/node_modules/.attn-diff-built

if [ ! -e "$built" ]; then
  (cd "$root" && npm ci --ignore-scripts --no-audit --no-fund && npm run --silent build) >&2
  touch "$built"
fi
exec node "$root/bin/attn-diff-pre-commit.js" "$@"
