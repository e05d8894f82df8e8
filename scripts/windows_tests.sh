#!/bin/sh
# Runs tests/windows under Wine, with a real CPython for Windows whose hash is checked (scripts/windows_tests.txt).
#
# Where Wine is not there and cannot be installed, or the packages cannot be had, it says so in one line and ends with
# 0; with WINDOWS_TESTS=required that is a failure. Everything it makes lies in one folder, .wine/ or $WINDOWS_BOX.
set -eu
cd "$(dirname "$0")/.."
box=${WINDOWS_BOX:-$PWD/.wine}
pip="${PIP:-.venv/bin/python -m pip} --quiet --disable-pip-version-check"

skip() {
    echo "windows tests SKIPPED: $1" >&2
    [ "${WINDOWS_TESTS:-}" != required ]
    exit
}

if ! command -v wine >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends wine wine64 >/dev/null || true
fi
command -v wine >/dev/null || skip "Wine is not installed, and only root can install it here"

mkdir -p "$box"
box=$(cd "$box" && pwd)
export WINEPREFIX="$box/prefix" WINEDEBUG=-all DISPLAY=
if [ ! -f "$box/complete" ]; then
    rm -rf "$box/python" "$box/site"
    # shellcheck disable=SC2086 # a command and its options
    {
        $pip install --no-deps --require-hashes -r scripts/windows_tests.txt --target "$box/python" &&
            $pip install --target "$box/site" --platform win_amd64 --python-version 3.11 --implementation cp \
                --only-binary=:all: 'click>=8.3.3,<9' 'psutil>=6.1,<8' 'watchdog>=7.1,<8' 'rich>=14,<16' \
                pytest pytest-timeout colorama
    } || skip "Python for Windows and its packages cannot be installed"
    wineboot -i >/dev/null 2>&1 || skip "Wine cannot make its folder $WINEPREFIX"
    touch "$box/complete"
fi
# Windows without a screen: they are made and can be counted, and nobody draws them.
wine reg add 'HKCU\Software\Wine\Drivers' /v Graphics /d null /f >/dev/null 2>&1 ||
    skip "Wine does not write its settings in $WINEPREFIX"
wineserver -k 2>/dev/null || true # the driver is chosen when the desktop begins
timeout 60 wineserver -w 2>/dev/null || true

printf 'python311.zip\n.\n..\\site\n%s\nimport site\n' "Z:$(pwd | tr / '\\')" >"$box/python/python311._pth"

# The output goes through a pipe: Python for Windows cannot begin with a file of Wine's as its stdout.
rm -rf "$box/code" "$box/tmp"
{
    PYTHONDONTWRITEBYTECODE=1 timeout -k 10 600 wine "$box/python/python.exe" -m pytest tests/windows \
        -p no:cacheprovider --basetemp "$box/tmp" "$@" </dev/null 2>&1 || echo $? >"$box/code"
} | tee "$box/output"
wineserver -k 2>/dev/null || true # of this WINEPREFIX alone
[ ! -f "$box/code" ] || exit "$(cat "$box/code")"
grep -q ' passed' "$box/output" || { # a program that does nothing also returns 0
    echo "windows tests: nothing was run" >&2
    exit 1
}
