#!/bin/sh
# Builds what a release consists of into dist/, and tries each part of it in an empty environment:
# wheel, source, watchdog.pyz and tracker.pyz (single files for a machine without pip), bill of materials, audit.
#   sh scripts/release.sh            builds, tries, and runs the whole test suite from the unpacked source
#   sh scripts/release.sh --quick    without the test suite
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
quick=${1:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

"$python" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[release]'
PATH="$work/tools/bin:$PATH"

rm -rf dist
python -m build --outdir dist . >"$work/build.log" || { cat "$work/build.log" >&2; exit 1; }
twine check --strict dist/*
version=$(watchdog --version | sed 's/.* //')
wheel=dist/tracker_watchdog-$version-py3-none-any.whl
source=dist/tracker_watchdog-$version.tar.gz
towncrier build --draft --version "$version" >dist/CHANGES.md

# It installs with its core alone, runs the main job, and says the version that it was built as.
"$python" -m venv "$work/empty"
"$work/empty/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel"
python scripts/try_release.py "$version" "$work/empty/bin/watchdog" "$work/empty/bin/python" -m tracker

# The single files carry everything but Python itself. psutil is compiled: they are for this kind of machine.
shiv -q -p '/usr/bin/env python3' -e watchdog_cli.__main__:main -o dist/watchdog.pyz "$wheel"
shiv -q -p '/usr/bin/env python3' -e tracker.__main__:main -o dist/tracker.pyz "$wheel"
"$python" -m venv --without-pip "$work/no-pip"
(
    PATH="$work/no-pip/bin:/usr/bin:/bin"
    SHIV_ROOT="$work/shiv"
    export PATH SHIV_ROOT
    python scripts/try_release.py "$version" "$PWD/dist/watchdog.pyz" "$PWD/dist/tracker.pyz"
)

# All that can be installed with it, extras and all.
"$python" -m venv "$work/whole"
"$work/whole/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel[forensics,metrics,notify,web]"
cyclonedx-py environment --pyproject pyproject.toml --output-format JSON --output-file dist/sbom.json \
    "$work/whole/bin/python"
"$work/whole/bin/python" -m pip freeze --exclude tracker-watchdog >"$work/frozen.txt"
if pip-audit --strict --no-deps --disable-pip --requirement "$work/frozen.txt" --format markdown >dist/audit.md 2>"$work/audit.log"; then
    echo "audit: no known fault in $(wc -l <"$work/frozen.txt") packages"
else
    rm -f dist/audit.md
    echo "audit: NOT clean, or it could not be made:" >&2
    tail -n 5 "$work/audit.log" >&2
    [ "$quick" = --quick ] || exit 1
fi

if [ "$quick" != --quick ]; then
    tar -xzf "$source" -C "$work"
    (cd "$work/tracker_watchdog-$version" && sh scripts/check.sh)
fi
ls -l dist
