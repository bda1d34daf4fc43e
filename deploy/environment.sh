#!/bin/sh
# Makes .venv if none works, and installs the given file of requirements into it unless the same
# file was installed last.
set -eu
requirements=$1
python=.venv/bin/python

complain() {
    printf '%s\n' "$1" >&2
    exit 1
}

newest_enough() {
    for candidate in "$PYTHON" python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    complain "MelodyMaker needs Python 3.11 or newer; here is $("$PYTHON" --version 2>&1 || true). Name another one with PYTHON=/path/to/python3."
}

if ! "$python" -c 'import pip' 2>/dev/null; then
    base=$(newest_enough)
    "$base" -c 'import venv, ensurepip' 2>/dev/null ||
        complain "$base cannot make virtual environments: install its venv package (Debian and Ubuntu: python3-venv)."
    echo "Making .venv with $("$base" --version) …"
    "$base" -m venv --clear .venv
fi

if ! cmp -s "$requirements" ".venv/$requirements"; then
    echo "Installing $requirements into .venv; the first time takes a minute or two …"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$requirements" ||
        complain "The installation failed; pip says above why. Run the same command again once that is mended."
    cp "$requirements" ".venv/$requirements"
fi
