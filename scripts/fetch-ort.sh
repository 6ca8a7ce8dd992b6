#!/usr/bin/env bash
# Fetches ONNX Runtime's shared library, pinned and checksummed, through a package client.
#
#   scripts/fetch-ort.sh [DEST [windows | cuda]]
#
# DEST is a folder (default: bin/lib, which aimsd searches beside its own binary; for cuda bin/lib-cuda); the library
# becomes DEST/libonnxruntime.so, or DEST/onnxruntime.dll for Windows on x86-64. A copy is kept in the user cache folder, where the daemon and the tests look
# last, and from where the next call takes it without touching the network. Nothing is done when DEST
# already holds the right file.
#
# `cuda` is for machines with an NVIDIA GPU (Linux on x86-64): the library with its CUDA provider, three files of
# 390 MB out of the wheel `onnxruntime-gpu` (253 MB). No copy is kept, and the small library stays where it is: aimsd
# takes this one when AIMSD_ORT_LIB names DEST/libonnxruntime.so.
#
# The library is taken out of the Python wheel `onnxruntime` (17 MB) by pip; where pip is missing, out of
# the npm package `onnxruntime-node` (86 MB) by `npm pack`. `npm install` is never used: its post-install
# step downloads CUDA. The Go wrapper needs API 24, so any release from 1.24 on works; this is the pinned one.
set -euo pipefail

readonly version=1.24.1
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dest=${1:-$repo/bin/lib}
[ "${2:-}" != cuda ] || dest=${1:-$repo/bin/lib-cuda}
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/aimsd

die() { # CAUSE REMEDY
  echo "fetch-ort: $1; $2" >&2
  exit 1
}

readonly own_copy="set AIMSD_ORT_LIB to a libonnxruntime of 1.24 or newer"

target=${2:-$(uname -s)-$(uname -m)}
file=libonnxruntime.so package=onnxruntime
case "$target" in
  windows)
    file=onnxruntime.dll
    platforms="win_amd64" npm_arch=
    wheel_sum=3273c330f5802b64b4103e87b5bbc334c0355fff1b8935d8910b0004ce2f20c8
    wheel_lib_sum=92c5cb18c3184e4afcc416248345d5f9081aa4cfc25bb9560478212604c1a862
    npm_lib_sum=none
    member=onnxruntime/capi/onnxruntime.dll
    ;;
  Linux-x86_64 | Linux-amd64)
    platforms="manylinux_2_27_x86_64 manylinux_2_28_x86_64" npm_arch=x64
    member=onnxruntime/capi/libonnxruntime.so.$version
    wheel_sum=1cabe71ca14dcfbf812d312aab0a704507ac909c137ee6e89e4908755d0fc60e
    wheel_lib_sum=94ac52f650e195b784587e1cb7d25b4bf074048b50fa9a7127795b2ed34db22e
    npm_lib_sum=53ef1ac028dd1b05554b8da28d9159eb3876f99868193d2aaa6e67f0243c23d4
    ;;
  Linux-aarch64 | Linux-arm64)
    platforms="manylinux_2_27_aarch64 manylinux_2_28_aarch64" npm_arch=arm64
    member=onnxruntime/capi/libonnxruntime.so.$version
    wheel_sum=86bc43e922b1f581b3de26a3dc402149c70e5542fceb5bec6b3a85542dbeb164
    wheel_lib_sum=31d6df98d3a2942ce10472109f988037f330dad6cb1c19e214fd2b1327315ee0
    npm_lib_sum=7954e8bdedb497f830c6a679e818d98399b7f4d81ade1126c3e0be74d28111ab
    ;;
  cuda)
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || die "there is no CUDA provider for $(uname -s) on $(uname -m)" "use provider cpu"
    package=onnxruntime-gpu
    platforms="manylinux_2_27_x86_64 manylinux_2_28_x86_64"
    wheel_sum=ac4bfc90c376516b13d709764ab257e4e3d78639bf6a2ccfc826e9db4a5c7ddf
    ;;
  *) die "no pinned library for $target" "$own_copy" ;;
esac
readonly npm_sum=57181cf6e6e711b155c5b942d591fd63ded0b5de5c4922d51fd994e7f6ac2772

sum_of() { sha256sum -- "$1" | cut -d' ' -f1; }

# is_ours FILE: FILE is one of the two pinned builds of the library
is_ours() {
  [ -f "$1" ] || return 1
  case "$(sum_of "$1")" in "$wheel_lib_sum" | "$npm_lib_sum") return 0 ;; *) return 1 ;; esac
}

# install_to FILE FOLDER [NAME]: FILE becomes FOLDER/$file, or FOLDER/NAME; readers see the old file or the new one
install_to() {
  local part name=${3:-$file}
  mkdir -p -- "$2" && part=$(mktemp -- "$2/.$name.XXXXXX") || return 1
  if cp -- "$1" "$part" && chmod 755 "$part" && mv -f -- "$part" "$2/$name"; then return 0; fi
  rm -f -- "$part"
  return 1
}

# keep FILE: a copy goes to the cache; a cache that cannot be written is no failure
keep() {
  is_ours "$cache/$file" || install_to "$1" "$cache" 2>/dev/null ||
    echo "fetch-ort: note: no copy kept in $cache (not writable)" >&2
}

expect() { # FILE SUM
  local got
  got=$(sum_of "$1")
  [ "$got" = "$2" ] || die "$(basename "$1") has sha256 $got, expected $2" "delete it from the package client's cache and run again, or $own_copy"
}

# get_wheel: leaves the wheel's path in $wheel; 1 when no pip works
get_wheel() {
  local pip
  command -v python3 >/dev/null || return 1
  for pip in "python3 -m pip" pip3; do
    $pip --version >/dev/null 2>&1 || continue
    echo "fetch-ort: $package $version ($target, wheel) by $pip" >&2
    # shellcheck disable=SC2046,SC2086 # a list of words
    $pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
      --python-version 3.11 --implementation cp $(printf -- '--platform %s ' $platforms) \
      --dest "$tmp" "$package==$version" >"$tmp/log" 2>&1 && break
    tail -n 2 "$tmp/log" >&2
  done
  wheel=$(find "$tmp" -maxdepth 1 -name '*.whl' | head -n 1)
  [ -n "$wheel" ] || return 1
  expect "$wheel" "$wheel_sum"
}

# extract MEMBER FILE SUM: a file of the wheel
extract() {
  python3 - "$wheel" "$1" "$2" <<'PY' || return 1
import shutil, sys, zipfile

wheel, member, out = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, archive.open(member) as src, open(out, "wb") as dst:
    shutil.copyfileobj(src, dst)
PY
  expect "$2" "$3"
}

# from_wheel: leaves the library in $tmp/lib; 1 when no pip works, so that npm is tried
from_wheel() { get_wheel && extract "$member" "$tmp/lib" "$wheel_lib_sum"; }

# from_npm: leaves the library in $tmp/lib; 1 when npm is missing or fails
from_npm() {
  local member=package/bin/napi-v6/linux/$npm_arch/libonnxruntime.so.1
  [ -n "$npm_arch" ] && command -v npm >/dev/null || return 1
  echo "fetch-ort: onnxruntime-node $version ($npm_arch) by npm pack" >&2
  (cd "$tmp" && npm pack --silent --ignore-scripts "onnxruntime-node@$version" >log 2>&1) || {
    tail -n 2 "$tmp/log" >&2
    return 1
  }
  expect "$tmp/onnxruntime-node-$version.tgz" "$npm_sum"
  tar -xzf "$tmp/onnxruntime-node-$version.tgz" -C "$tmp" "$member" && mv -- "$tmp/$member" "$tmp/lib" || return 1
  expect "$tmp/lib" "$npm_lib_sum"
}

# with_cuda: the library and the two files of its CUDA provider to $dest
with_cuda() {
  local name sum member missing=
  local -r files="libonnxruntime.so 62bb33b8600d5e5751faba2dc5944fc01adf73aadf3a0e619095a0a0933886b4
libonnxruntime_providers_shared.so 086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d
libonnxruntime_providers_cuda.so 72544c3ad0fc50d0b30af11fb702a4fd526b340c9c5b1b6f64ceea76d7644682"
  while read -r name sum; do
    [ -f "$dest/$name" ] && [ "$(sum_of "$dest/$name")" = "$sum" ] || missing=1
  done <<<"$files"
  if [ -n "$missing" ]; then
    tmp=$(mktemp -d)
    trap 'rm -rf -- "$tmp"' EXIT
    get_wheel || die "$package $version could not be fetched: no pip works here" "install one (Debian: apt-get install python3-pip) and check the network, or $own_copy"
    while read -r name sum; do
      member=$name
      [ "$name" != libonnxruntime.so ] || member=$name.$version
      extract "onnxruntime/capi/$member" "$tmp/$name" "$sum" || die "$member is not in $(basename "$wheel")" "$own_copy"
      install_to "$tmp/$name" "$dest" "$name" || die "$dest cannot be written" "name another folder: scripts/fetch-ort.sh DEST cuda"
      rm -f -- "$tmp/$name"
    done <<<"$files"
  fi
  dest=$(cd "$dest" && pwd)
  cat >&2 <<END
fetch-ort: $dest has ONNX Runtime $version with its CUDA provider. To use it:
  export AIMSD_ORT_LIB=$dest/libonnxruntime.so
It needs CUDA 12 and cuDNN 9 (aimsd check names what is missing). Where they are not installed, 1.6 GB:
  python3 -m pip install --no-deps --target $dest 'nvidia-cuda-runtime-cu12==12.*' 'nvidia-cublas-cu12==12.*' 'nvidia-cudnn-cu12==9.*' 'nvidia-cufft-cu12==11.*' 'nvidia-curand-cu12==10.*' 'nvidia-cuda-nvrtc-cu12==12.*'
END
}

if [ "$target" = cuda ]; then
  with_cuda
  exit 0
fi

if is_ours "$dest/$file"; then
  keep "$dest/$file"
  exit 0
fi

if is_ours "$cache/$file"; then
  lib=$cache/$file
else
  tmp=$(mktemp -d)
  trap 'rm -rf -- "$tmp"' EXIT
  from_wheel || from_npm ||
    die "onnxruntime $version could not be fetched: neither pip nor npm works here" "install one (Debian: apt-get install python3-pip) and check the network, or $own_copy"
  lib=$tmp/lib
fi
install_to "$lib" "$dest" 2>/dev/null || die "$dest cannot be written" "name another folder: scripts/fetch-ort.sh DEST"
keep "$lib"
echo "fetch-ort: $dest/$file ($version)" >&2
