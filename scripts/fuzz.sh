#!/usr/bin/env bash
# Runs every fuzz target of the module for a while: scripts/fuzz.sh [DURATION], default 10s.
set -euo pipefail

go=${GO:-go}
duration=${1:-10s}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# `go test -list` compiles every test binary; only packages that mention a target are asked.
packages=$(grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -r -n 1 dirname | sort -u)
[ -n "$packages" ] || { echo "fuzz: no fuzz targets" >&2; exit 0; }

# Making inputs that are only interesting smaller takes minutes for large ones, in which nothing new is tried.
failed=0
for package in $packages; do
  for target in $($go test -list '^Fuzz' "$package" | grep '^Fuzz'); do
    echo "fuzz: $package $target $duration"
    $go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 20x "$package" || failed=1
  done
done
exit $failed
