#!/bin/sh
# Builds the documentation: site/index.html (English) and site/ar/index.html (Arabic, from right to left).
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=${VENV:-.venv}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
exec "$venv/bin/python" scripts/docs_site.py
