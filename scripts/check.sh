#!/bin/sh
# Installs what the tests need, then lints, type-checks, checks the import contracts and runs all tests.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=${VENV:-.venv}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
PATH="$PWD/$venv/bin:$PATH"
export PATH
ruff check .
ruff format --check .
mypy
lint-imports
exec pytest -q -n "${WORKERS:-2}" "$@"
