#!/usr/bin/env bash
# Fetches cuda.h, pinned and checksummed, through pip, and prints the folder it is in.
#
#   CGO_CFLAGS="-O2 -g -I$(scripts/fetch-cuda-headers.sh)" go build -tags cuda .
#
# The header is only needed to compile with build tag cuda; it comes out of the Python wheel
# `nvidia-cuda-runtime-cu12` (0.9 MB) and is kept in the user cache folder. It is under NVIDIA's licence and never
# becomes part of the repository. CUDA_HEADERS names a folder with a cuda.h of 11.8 to 12.x to use instead (the
# declarations of CUDA 13 do not fit gorgonia.org/cu 0.9.6; its drivers do).
set -euo pipefail

readonly version=12.6.77
readonly wheel_sum=a84d15d5e1da416dd4774cb42edf5e954a3e60cc945698dc1d5be02321c44dc8
readonly header_sum=7313ec1a0642c1a02736b6178136eaa9df5e048a8b9707e43ad2119c1c677bcb
readonly dest=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/aimsd/cuda-$version

die() { # CAUSE REMEDY
  echo "fetch-cuda-headers: $1; $2" >&2
  exit 1
}

readonly own_copy="set CUDA_HEADERS to a folder with the cuda.h of CUDA 11.8 to 12.x"

if [ -n "${CUDA_HEADERS:-}" ]; then
  [ -f "$CUDA_HEADERS/cuda.h" ] || die "no cuda.h in CUDA_HEADERS=$CUDA_HEADERS" "$own_copy"
  echo "$CUDA_HEADERS"
  exit 0
fi

sum_of() { sha256sum -- "$1" | cut -d' ' -f1; }

if [ ! -f "$dest/cuda.h" ] || [ "$(sum_of "$dest/cuda.h")" != "$header_sum" ]; then
  tmp=$(mktemp -d)
  trap 'rm -rf -- "$tmp"' EXIT
  for pip in "python3 -m pip" pip3; do
    $pip --version >/dev/null 2>&1 || continue
    echo "fetch-cuda-headers: cuda.h $version by $pip" >&2
    $pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
      --platform manylinux2014_x86_64 --dest "$tmp" "nvidia-cuda-runtime-cu12==$version" >"$tmp/log" 2>&1 && break
    tail -n 2 "$tmp/log" >&2
  done
  wheel=$(find "$tmp" -maxdepth 1 -name '*.whl' | head -n 1)
  [ -n "$wheel" ] || die "cuda.h $version could not be fetched: no pip works here" "install one (Debian: apt-get install python3-pip) and check the network, or $own_copy"
  [ "$(sum_of "$wheel")" = "$wheel_sum" ] || die "$(basename "$wheel") has sha256 $(sum_of "$wheel"), expected $wheel_sum" "delete it from pip's cache and run again, or $own_copy"
  python3 - "$wheel" nvidia/cuda_runtime/include/cuda.h "$tmp/cuda.h" <<'PY'
import shutil, sys, zipfile

wheel, member, out = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, archive.open(member) as src, open(out, "wb") as dst:
    shutil.copyfileobj(src, dst)
PY
  [ "$(sum_of "$tmp/cuda.h")" = "$header_sum" ] || die "cuda.h has sha256 $(sum_of "$tmp/cuda.h"), expected $header_sum" "$own_copy"
  mkdir -p -- "$dest" && cp -- "$tmp/cuda.h" "$dest/.cuda.h.$$" && mv -f -- "$dest/.cuda.h.$$" "$dest/cuda.h" ||
    die "$dest cannot be written" "set XDG_CACHE_HOME to a folder that can"
fi
echo "$dest"
