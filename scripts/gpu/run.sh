#!/usr/bin/env bash
# Checks and unpacks what bundle.sh wrote, and runs all that needs the GPU, within eight minutes.
# Needs bash, coreutils, tar and gzip, no network and no Node.
#
#   run.sh PARTS OUT [--provider NAME] [--limit SECONDS] [--layers N]
#
#   PARTS       the folder of the parts
#   OUT         where the results go: PROVIDER-results.md, reports.jsonl and log.txt
#   --provider  what the kernels are run on (default: cuda); cpu tries all of it without a GPU
#   --limit     what all of it may take (default: 480)
#   --layers    of the 0.5B-shaped model (default: 24)
#
# Exit codes: 0, all steps were gone through; 1, parts are missing or damaged; 2, usage.
set -euo pipefail

began=$(date +%s)
refuse() { echo "run.sh: $1" >&2; exit "${2:-2}"; }

folders=() provider=cuda limit=480 layers=24
while [ $# -gt 0 ]; do
  case "$1" in
    --provider | --limit | --layers)
      [ $# -gt 1 ] || refuse "$1 needs a value"
      declare "${1#--}=$2"; shift 2 ;;
    -*) refuse "$1 is no option of it: --provider, --limit, --layers" ;;
    *) folders+=("$1"); shift ;;
  esac
done
[ ${#folders[@]} -eq 2 ] || refuse "give the folder of the parts and one for the results: run.sh PARTS OUT"
case "$provider" in cuda | cpu | webgpu) ;; *) refuse "--provider $provider: it is cuda, webgpu or cpu" ;; esac
[[ $limit =~ ^[1-9][0-9]*$ ]] || refuse "--limit $limit is no number of seconds"
[[ $layers =~ ^[1-9][0-9]*$ ]] || refuse "--layers $layers is no number of layers"
parts=${folders[0]}
[ -f "$parts/attn-diff-gpu.sha256" ] || refuse "$parts has no attn-diff-gpu.sha256: bundle.sh writes it beside the parts" 1

bad=()
while read -r sum name; do
  if [ ! -f "$parts/$name" ]; then bad+=("$name is missing")
  elif [ "$(sha256sum < "$parts/$name" | cut -d ' ' -f 1)" != "$sum" ]; then bad+=("$name is damaged"); fi
done < "$parts/attn-diff-gpu.sha256"
if [ ${#bad[@]} -gt 0 ]; then
  for each in "${bad[@]}"; do echo "run.sh: $each" >&2; done
  refuse "copy what is named here to $parts again" 1
fi

mkdir -p "${folders[1]}"
out=$(cd "${folders[1]}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
while read -r _ name; do cat "$parts/$name"; done < "$parts/attn-diff-gpu.sha256" | tar --no-same-owner -xf - -C "$work"
gzip -d "$work/node.gz"
chmod +x "$work/node"
# A minimal system has no C++ library; one that has its own keeps it.
if ! "$work/node" --version > /dev/null 2>&1; then
  tar -xzf "$work/gcc.tar.gz" -C "$work"
  export LD_LIBRARY_PATH="$work/lib/gcc${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
version=$("$work/node" --version 2>&1) || refuse "the Node of the bundle does not run here: $version" 1
"$work/node" -e 'process.stdin.pipe(require("zlib").createBrotliDecompress()).pipe(process.stdout)' < "$work/stage.tar.br" | tar --no-same-owner -xf - -C "$work"
rm "$work/stage.tar.br"
mkdir "$work/tmp"
echo "unpacked in $(($(date +%s) - began)) s"

TMPDIR="$work/tmp" HOME="${HOME:-$work}" "$work/node" "$work/attn-diff/scripts/gpu/main.js" --out "$out" --work "$work/tmp" \
  --provider "$provider" --limit "$limit" --layers "$layers" --began "$began" --libraries "$work/lib" &
child=$!
trap 'kill -TERM "$child" 2> /dev/null' TERM INT
status=0
wait "$child" || status=$?
# A signal ends the wait, not the child, which first writes what it has.
if kill -0 "$child" 2> /dev/null; then status=0; wait "$child" || status=$?; fi
exit "$status"
