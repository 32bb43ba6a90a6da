#!/bin/sh
# Makes the virtual environment $1 and installs $2 into it, editable. Takes uv where it is; else python3's own venv, which Debian
# packs apart: then apt fetches it, where root or sudo allows; else one command is named and nothing is done.
set -eu
venv=$1 what=$2

python=""
for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "Listener needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python3.12 …" >&2
    exit 1
fi

if command -v uv >/dev/null 2>&1; then
    [ -x "$venv/bin/python" ] || uv venv --quiet --python "$python" "$venv"
    exec uv pip install --quiet --python "$venv/bin/python" --editable "$what"
fi

if [ ! -x "$venv/bin/pip" ] && ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then as_root="sudo -n"; fi
    if ! command -v apt-get >/dev/null 2>&1 || ! $as_root true 2>/dev/null; then
        echo "This Python has no venv. Run this once, then again what you ran:  sudo apt-get install -y $package" >&2
        exit 1
    fi
    echo "installing $package …"
    { $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package"; } >/dev/null
fi
[ -x "$venv/bin/pip" ] || "$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --editable "$what"
