#!/usr/bin/env bash
# Runs attn-diff with ONNX Runtime's real CUDA provider over stand-ins for NVIDIA's libraries, on any
# Linux machine: shows which kernels it has and which it chooses.
# NO NUMBER THAT COMES OUT MEANS ANYTHING.
#
#   scripts/gpu/dry/run.sh FOLDER ARGUMENTS…
#
# FOLDER has libonnxruntime_providers_cuda.so and libonnxruntime_providers_shared.so for CUDA 13, as in
# onnxruntime/capi of the wheel onnxruntime-gpu of onnxruntime-node's version; ARGUMENTS are attn-diff's.
# It needs gcc, readelf, and `npm run build` done. DRY_SM=86 is another GPU; DRY_CUDNN=91000 another cuDNN.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
[ $# -ge 2 ] || { echo "usage: $0 FOLDER ARGUMENTS…" >&2; exit 2; }
provider=$(cd "$1" && pwd)/libonnxruntime_providers_cuda.so
if [ ! -f "$provider" ]; then
  echo "$provider is not there: unpack the wheel onnxruntime-gpu, and name its onnxruntime/capi" >&2
  exit 2
fi
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/lib" "$work/node_modules"

own() { sed -n 's/.*OWN(\(\w*\)).*/\1/p' "$here/stubs.c"; }
stubs() { grep -vxFf <(own) | sort -u | sed 's/.*/STUB(&)/' > "$work/$1.inc" || true; }
compile() { # name, soname, linker's options
  gcc -O2 -shared -fPIC -w "-DFOR_$1" "-DREST=\"$work/$1.inc\"" "$here/stubs.c" \
    -Wl,-soname,"$2" "${@:3}" -o "$work/lib/$2"
}

for name in cudart cublas cublasLt curand; do
  soname=$(readelf -dW "$provider" | sed -n "s/.*(NEEDED).*\[\(lib$name\.so\.[0-9]*\)\].*/\1/p")
  readelf --dyn-syms -W "$provider" |
    sed -n "s/.* UND \(\w*\)@$soname.*/\1/p" | stubs "$name"
  echo "$soname { global: *; };" > "$work/$name.map"
  compile "$name" "$soname" -Wl,--version-script="$work/$name.map"
done
# Opened by name when a kernel needs it: its functions are only in the provider's strings.
grep -aoE 'cudnn[A-Z][A-Za-z0-9_]{3,}' "$provider" | grep -vE '^cudnn(Status|Handle)' | stubs cudnn
compile cudnn libcudnn.so.9
: > "$work/cuda.inc"
compile cuda libcuda.so.1

# A copy, so that nothing is written into node_modules.
cp -r "$root/bin" "$root/dist" "$root/package.json" "$work/"
ln -s "$root"/node_modules/* "$work/node_modules/"
rm "$work/node_modules/onnxruntime-node"
cp -r "$root/node_modules/onnxruntime-node" "$work/node_modules/"
runtime=$(find "$work/node_modules/onnxruntime-node/bin" -path '*linux/x64/libonnxruntime.so.1')
beside=$(dirname "$runtime")
rm -f "$beside"/libonnxruntime_providers_*.so
ln -s "$(dirname "$provider")"/libonnxruntime_providers_{cuda,shared}.so "$beside/"

echo 'DRY RUN: no kernel runs on any GPU. No number below means anything; only names of kernels do.' >&2
status=0
LD_LIBRARY_PATH="$work/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" node "$work/bin/attn-diff.js" "$@" || status=$?
echo 'DRY RUN: no number above means anything.' >&2
exit "$status"
