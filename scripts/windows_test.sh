#!/usr/bin/env bash
# Tries the Windows program under Wine, as Debian has it (apt-get install wine64 wine): version, check, one
# analyze, whose label image must be the same as Linux's, and the service from its installation to its removal.
#
#   scripts/windows_test.sh AIMSD_EXE AIMSD
#
# AIMSD_EXE is the Windows program with lib/onnxruntime.dll beside it, AIMSD the Linux one.
set -euo pipefail

exe=$(realpath "$1") linux=$(realpath "$2")
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tmp=$(mktemp -d)
export WINEPREFIX=$tmp/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=" # no .NET, no browser
server=$(command -v wineserver || echo /usr/lib/wine/wineserver64)
wine=$(command -v wine64 || command -v wine)
trap '"$server" -k || true; rm -rf -- "$tmp"' EXIT
cd "$tmp"

fail() { echo "windows_test: $*" >&2; exit 1; }
# aimsd ARGUMENT...: the Windows program; libraries print a line on graphics cards, which is left out
aimsd() { timeout 240 "$wine" "$exe" "$@" 2> >(grep -v 'DXGI' >&2); }

mkdir -p "$WINEPREFIX"
"$wine" wineboot --init >/dev/null 2>&1
# A busy machine starts services slowly; Wine reads this when it starts.
"$wine" reg add 'HKLM\System\CurrentControlSet\Control' /v ServicesPipeTimeout /t REG_SZ /d 120000 /f >/dev/null 2>&1
"$server" -k || true
"$server" -w
"$server" -p # services go on from one command to the next
if ! "$wine" "$exe" version >/dev/null 2>&1; then
  # Go asks for ProcessPrng, which Wine has since version 9; a library with this one function will do.
  x86_64-w64-mingw32-gcc -shared -O2 -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" \
    "$repo/scripts/wine_prng.c" -ladvapi32
fi
aimsd version || fail "the program does not start"

"$linux" simulate -o sim --frames 1 --size 512x512 --seed 3 >/dev/null
mkdir in
printf 'data_dir: data\nsources:\n  - {name: acq, path: in, backlog: process}\ngrpc: {listen: "127.0.0.1:0"}\nhttp: {listen: "127.0.0.1:0"}\n' >aimsd.yaml
aimsd check -c aimsd.yaml || fail "check found a fault"

aimsd analyze -o windows sim/frames
"$linux" analyze -o linux sim/frames >/dev/null
cmp windows/*/labels.tif linux/*/labels.tif || fail "Windows and Linux find different objects"
echo "windows_test: the same label image as on Linux"

cp sim/frames/*.tif in/
aimsd service install -c aimsd.yaml
aimsd service status
for _ in $(seq 120); do
  compgen -G 'data/runs/*/*.tif/result.json' >/dev/null && break
  sleep 0.5
done
compgen -G 'data/runs/*/*.tif/result.json' >/dev/null || { cat data/aimsd.log >&2; fail "the service analysed nothing"; }
aimsd service reload
aimsd service stop
aimsd service status && fail "it runs after its stop"
grep -q '"msg":"stopped"' data/aimsd.log || { cat data/aimsd.log >&2; fail "it did not drain"; }
grep -q '"msg":"reloading"' data/aimsd.log || fail "it did not reload"
aimsd service start
aimsd service status
aimsd service uninstall
aimsd service status 2>/dev/null && fail "it is still there"
echo "windows_test: the service was installed, analysed a frame, reloaded, drained and went"
