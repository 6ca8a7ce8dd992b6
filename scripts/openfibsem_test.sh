#!/usr/bin/env bash
# Tries aimsd with OpenFIBSEM as its independent client (docs/openfibsem.md): its Demo microscope, its HTTP server, its
# own alignment and classes. Its packages go into a virtual environment of their own, .cache/openfibsem.
#
#   scripts/openfibsem_test.sh [ARGUMENT OF pytest]...
#
# Where there is no Python 3.9, or the packages cannot be had, it says SKIP and ends with 0. AIMSD names the program to try
# (bin/aimsd), PYTHON the interpreter (python3).
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
examples=$repo/docs/examples/openfibsem
venv=$repo/.cache/openfibsem
python=${PYTHON:-python3}

skip() {
  printf '\n*** SKIP: OpenFIBSEM is NOT TRIED: %s\n\n' "$*" >&2
  exit 0
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || skip "it needs Python 3.9 or later ($python)"

# The environment is made again when the list or the interpreter changes, and is only used when it was finished.
stamp=$({ cat "$examples/requirements.txt"; "$python" -VV; } | sha256sum | cut -d ' ' -f 1)
if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ]; then
  rm -rf -- "$venv"
  mkdir -p "$repo/.cache"
  "$python" -m venv "$venv" >/dev/null 2>&1 || skip "no virtual environment can be made (Debian: apt-get install python3-venv)"
  echo "openfibsem_test: installing OpenFIBSEM into .cache/openfibsem (610 MB)" >&2
  "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 2 --only-binary=:all: --no-compile \
    -r "$examples/requirements.txt" >"$venv/pip.log" 2>&1 ||
    { tail -n 5 "$venv/pip.log" >&2; skip "its packages cannot be installed (the log is above)"; }
  printf '%s\n' "$stamp" >"$venv/stamp"
fi

PYTHONPYCACHEPREFIX=$venv/pycache "$venv/bin/python" -m pytest -q -rs -p no:cacheprovider "$@" "$examples"
