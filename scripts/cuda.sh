#!/usr/bin/env bash
# All that needs an NVIDIA GPU, in one go: installs, fetches onnxruntime-node's CUDA provider library, shows what is
# there, runs the tests, and keeps a table of every implementation and kernel in docs/cuda-results.md.
#
#   scripts/cuda.sh             downloads the library from NuGet
#   scripts/cuda.sh FOLDER      takes libonnxruntime_providers_{cuda,shared}.so from a folder, of the same version
#
# Needs Linux x64, Node 20 with npm, an NVIDIA driver, CUDA 12 and cuDNN 9 where the loader finds them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

npm ci --no-audit --no-fund
if [ $# -gt 0 ]; then
  cp "$1"/libonnxruntime_providers_{cuda,shared}.so node_modules/onnxruntime-node/bin/napi-v6/linux/x64/
else
  ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install
fi
npm run --silent build
node bin/attn-diff.js doctor
node bin/attn-diff.js run --model fixtures/qwen2-head64 --random 1x16 --padding right --impl eager,eager@cuda > /dev/null

npm test
table=$(mktemp)
node scripts/providerTable.js cuda > "$table"
mv "$table" docs/cuda-results.md
cat docs/cuda-results.md
