#!/bin/sh
# Installs what the tests need, then lints, type-checks, checks the import contracts and runs all tests.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=${VENV:-.venv}

# Some tests drive real programs: a C compiler, a browser, Prometheus, systemd. Where they cannot be had, those tests say so.
missing=""
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
command -v chromium >/dev/null || missing="$missing chromium"
command -v strace >/dev/null || missing="$missing strace"
command -v etcd >/dev/null || missing="$missing etcd-server etcd-client"
command -v promtool >/dev/null || missing="$missing prometheus"
[ -x /lib/systemd/systemd ] && command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v plistutil >/dev/null || missing="$missing libplist-utils"
if [ -n "$missing" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
PATH="$PWD/$venv/bin:$PATH"
export PATH
ruff check .
ruff format --check .
mypy
lint-imports
exec pytest -q -n "${WORKERS:-2}" "$@"
