#!/bin/sh
# Installs what the tests need, then lints, type-checks, checks the import contracts and runs all tests.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=${VENV:-.venv}

# Some tests drive real programs: a C compiler, a browser, Prometheus, systemd, Node.js, Go, curl. Where they cannot be had,
# those tests say so.
missing=""
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
command -v chromium >/dev/null || missing="$missing chromium"
command -v etcd >/dev/null || missing="$missing etcd-server etcd-client"
command -v openssl >/dev/null || missing="$missing openssl"
command -v promtool >/dev/null || missing="$missing prometheus"
[ -x /lib/systemd/systemd ] && command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v plistutil >/dev/null || missing="$missing libplist-utils"
command -v node >/dev/null || missing="$missing nodejs"
command -v go >/dev/null || missing="$missing golang-go"
command -v curl >/dev/null || missing="$missing curl"
if [ -n "$missing" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
PATH="$(cd "$venv/bin" && pwd):$PATH"
export PATH
ruff check .
ruff format --check .
mypy
# The Windows side and what stands on it, as on Windows; the POSIX modules behind the same seam are not looked at there.
mypy --config-file= --strict --platform win32 --follow-imports=silent -p watchdog_cli.adapters.windows \
    -m watchdog_cli.wiring.run -m watchdog_cli.wiring.beginning -m watchdog_cli.wiring.takeover \
    -m watchdog_cli.wiring.hub -m watchdog_cli.wiring.sinks -m watchdog_cli.wiring.answers \
    -m watchdog_cli.wiring.status -m watchdog_cli.wiring.ask -m watchdog_cli.wiring.probe \
    -m watchdog_cli.wiring.scene -m watchdog_cli.wiring.report -m watchdog_cli.wiring.upgrade
lint-imports
scripts/windows_tests.sh -q
# Most tests wait most of the time, so two processors carry four workers; the last long ones are shared out.
exec pytest -q -n "${WORKERS:-4}" --dist worksteal "$@"
