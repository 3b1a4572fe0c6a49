#!/usr/bin/env bash
# What the GitHub action runs, with its inputs as variables: they are handed on as they are, and nothing in them is run.
set -uo pipefail

refuse() {
  echo "::error title=attn-diff::$1"
  echo 'exit-code=2' >> "$GITHUB_OUTPUT"
  exit 2
}

case ${FAIL:-true} in
  true | false) ;;
  *) refuse 'fail is neither true nor false.' ;;
esac
case ${HTML:-}${JSON:-} in
  *$'\n'*) refuse 'a path of html or json holds a line end.' ;;
esac

# Never empty: bash 3.2, which macOS has, takes an empty list for an unset variable.
args=(run)
if [ -n "${MODEL:-}" ]; then args+=(--model "$MODEL"); fi
if [ -n "${CONFIG:-}" ]; then args+=(--config "$CONFIG"); fi
if [ -n "${BASELINE:-}" ]; then args+=(--baseline "$BASELINE"); fi
if [ -n "${HTML:-}" ]; then args+=(--report "html=$HTML"); fi
if [ -n "${JSON:-}" ]; then args+=(--report "json=$JSON"); fi

# xargs parts words as a shell does, quotes included, and expands nothing.
words=$(printf '%s' "${ARGS:-}" | xargs printf '%s\n') || refuse 'args cannot be read: a quote is not closed.'
while IFS= read -r word; do
  if [ -n "$word" ]; then args+=("$word"); fi
done <<< "$words"

decided=$(mktemp) || refuse 'no temporary file can be made: the disk may be full.'
node "$GITHUB_ACTION_PATH/scripts/decided.js" "$decided" "$GITHUB_ACTION_PATH/bin/attn-diff.js" "${args[@]}"
code=$?
# What node itself ends with is no verdict, and neither is what a signal ends it with.
if [ "$(cat "$decided")" != "$code" ]; then
  echo "::error title=attn-diff::It did not come to an end: node ended with exit code $code."
  code=4
fi
rm -f "$decided"

# The whole path of a report, in the system's own manner. With another exit code none was written: what is there is old.
written() {
  if [ "$code" -le 1 ] && [ -n "$1" ]; then node -p 'require("node:path").resolve(process.argv[1])' -- "$1"; fi
}

html=$(written "${HTML:-}")
json=$(written "${JSON:-}")
{
  echo "exit-code=$code"
  case $code in
    0) echo 'passed=true' ;;
    1) echo 'passed=false' ;;
  esac
  echo "html=$html"
  echo "json=$json"
  echo 'files<<end-of-files'
  for path in "$html" "$json"; do
    if [ -n "$path" ]; then echo "$path"; fi
  done
  echo 'end-of-files'
} >> "$GITHUB_OUTPUT"

if [ "$code" = 1 ] && [ "${FAIL:-true}" = false ]; then exit 0; fi
exit "$code"
