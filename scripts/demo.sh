#!/bin/sh
# Installs the watchdog beside this script and keeps the tracker alive on its simulated market.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=${VENV:-.venv}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check .
PATH="$(cd "$venv/bin" && pwd):$PATH"
export PATH
exec watchdog run "$@" -- python -m tracker --source demo
