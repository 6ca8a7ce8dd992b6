#!/usr/bin/env bash
# Compares the hot loops of a commit with those of the working tree: scripts/benchstat.sh BASE.
# BENCH, COUNT and BENCHTIME choose what runs, how often and for how long each time.
set -euo pipefail

go=${GO:-go}
base=${1:?benchstat: name the commit to compare with, such as BASE=HEAD or BASE=main}
bench=${BENCH:-^Benchmark(Blend|Labels1024|Measure1024|Summarise|FileTIFF8|Decode|Encode.*2K|Pack|Unpack|ShrinkHalf)}
count=${COUNT:-8}
benchtime=${BENCHTIME:-0.3s}
packages=(./tiling ./cuda ./metrics ./stream/tiff ./stream/decode ./infer)
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

cd "$(dirname "${BASH_SOURCE[0]}")/.."
here=$PWD
git rev-parse --verify --quiet "$base^{commit}" >/dev/null || { echo "benchstat: $base is no commit" >&2; exit 2; }
work=$(mktemp -d)
trap 'git -C "$here" worktree remove --force "$work/tree" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/tree" "$base"

# Each test binary is built once and runs where its package is, for the sake of testdata.
for side in base here; do
  root=$here
  [ $side = here ] || root=$work/tree
  for package in "${packages[@]}"; do
    mkdir -p "$work/$side/$package"
    [ ! -d "$root/$package" ] || (cd "$root" && $go test -c -o "$work/$side/$package/run.test" "$package")
  done
done

# Both take turns, so that a machine that gets slower meanwhile is slower for both.
for ((turn = 1; turn <= count; turn++)); do
  echo "benchstat: turn $turn of $count" >&2
  for package in "${packages[@]}"; do
    for side in base here; do
      root=$here
      [ $side = here ] || root=$work/tree
      [ ! -x "$work/$side/$package/run.test" ] ||
        (cd "$root/$package" && "$work/$side/$package/run.test" -test.run '^$' -test.bench "$bench" -test.benchtime "$benchtime" -test.benchmem) >>"$work/$side.txt"
    done
  done
done
cd "$work"
$go run "$benchstat" base.txt here.txt
