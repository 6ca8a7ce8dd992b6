#!/usr/bin/env bash
# Proves that the import rule of .golangci.yml fires: in a throw-away module of the same name every
# forbidden import must be reported, and no allowed one.
#
#   GOLANGCI="golangci-lint" scripts/depguard_test.sh
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
read -ra lint <<<"${GOLANGCI:-golangci-lint}"
module=github.com/uni-aims/aimsd

tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
cp "$repo/.golangci.yml" "$tmp/"
printf 'module %s\n\ngo 1.26\n' "$module" >"$tmp/go.mod"
cd "$tmp"

# add FOLDER IMPORTED: a package in FOLDER that imports MODULE/IMPORTED
add() {
  mkdir -p "$1"
  printf '// Package p is a probe.\npackage p\n\nimport _ "%s/%s"\n' "$module" "$2" >"$1/p.go"
}

for room in agent configs cuda infer metrics proto reporting stream tiling; do
  mkdir -p "$room"
  printf '// Package %s is a probe.\npackage %s\n' "$room" "$room" >"$room/doc.go"
done

allowed="agent:infer agent:reporting agent:stream infer:cuda infer:tiling infer:infer stream:proto reporting:proto reporting:metrics"
forbidden="cuda:tiling cuda:metrics tiling:cuda tiling:stream metrics:reporting metrics:proto proto:stream configs:stream
  stream:infer stream:reporting stream:metrics infer:stream infer:metrics reporting:stream reporting:infer
  cuda:agent stream:agent infer:agent reporting:agent configs:agent docs:agent"
for pair in $allowed; do add "${pair%:*}/allowed_${pair#*:}" "${pair#*:}"; done
for pair in $forbidden; do add "${pair%:*}/forbidden_${pair#*:}" "${pair#*:}"; done

report=$("${lint[@]}" run --enable-only depguard --max-issues-per-linter 0 --max-same-issues 0 ./... 2>&1) || true
failed=0
for pair in $forbidden; do
  grep -q "^${pair%:*}/forbidden_${pair#*:}/p.go:.*depguard" <<<"$report" ||
    { echo "depguard: ${pair%:*} may import ${pair#*:}, but must not" >&2; failed=1; }
done
for pair in $allowed; do
  if grep -q "^${pair%:*}/allowed_${pair#*:}/p.go:" <<<"$report"; then
    echo "depguard: ${pair%:*} may not import ${pair#*:}, but should" >&2
    failed=1
  fi
done
if [ $failed != 0 ]; then
  echo "$report" >&2
  exit 1
fi
echo "depguard: $(wc -w <<<"$forbidden") forbidden imports reported, $(wc -w <<<"$allowed") allowed ones not"
