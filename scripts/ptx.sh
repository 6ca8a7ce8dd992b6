#!/usr/bin/env bash
# Compiles the kernels to PTX, which the program embeds and a driver translates for its GPU.
#
#   scripts/ptx.sh           writes cuda/kernels/ptx/flow.sm_70.ptx
#   scripts/ptx.sh --check   compares it with what the sources give now: exit status 1 when they differ
#
# Needs clang 19 (Debian: apt-get install --no-install-recommends clang-19) and no CUDA SDK. The text depends on
# the compiler's release: the file is made by 19.1.7, and --check passes for that one only.
set -euo pipefail

readonly release=19.1.7
cd "$(dirname "${BASH_SOURCE[0]}")/../cuda/kernels"
readonly out=ptx/flow.sm_70.ptx

clang=${CLANG:-clang-19}
command -v "$clang" >/dev/null || {
  echo "ptx: $clang is not installed; Debian: apt-get install --no-install-recommends clang-19, or name one in CLANG" >&2
  exit 1
}
case "$("$clang" --version)" in
  *"clang version $release"*) ;;
  *) echo "ptx: warning: $clang is not release $release; its PTX may differ in text" >&2 ;;
esac

# The oldest GPU that every driver with CUDA 12 knows is sm_70 or older; newer ones translate the same text.
compile() {
  "$clang" -x cuda --cuda-device-only -nocudainc -nocudalib --cuda-gpu-arch=sm_70 \
    -O3 -ffp-contract=off -fno-ident -Wall -Wextra -Werror -S -o "$1" flow.cu
}

if [ "${1:-}" = --check ]; then
  tmp=$(mktemp -d)
  trap 'rm -rf -- "$tmp"' EXIT
  compile "$tmp/flow.ptx"
  diff -u --label "$out (committed)" --label "$out (from the sources)" "$out" "$tmp/flow.ptx" >"$tmp/diff" || {
    head -n 40 "$tmp/diff" >&2
    echo "ptx: $out is not what the kernels compile to; run make ptx and commit it" >&2
    exit 1
  }
  echo "ptx: $out is what the kernels compile to"
else
  mkdir -p ptx
  compile "$out"
  echo "ptx: cuda/kernels/$out, $(grep -c '^.visible .entry' "$out") kernels"
fi
