#!/bin/sh
# Builds what a release consists of into dist/, and tries each part of it in an empty environment:
# wheel, source, watchdog.pyz and tracker.pyz (single files for a machine without pip), bill of materials, audit.
# They are tried with every Python that the package admits and that is found on the search path.
#   sh scripts/release.sh            builds, tries, and runs the whole test suite from the unpacked source
#   sh scripts/release.sh --quick    without the test suite
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
quick=${1:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

"$python" scripts/pythons.py >"$work/pythons"
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

# The single files carry everything but Python itself. psutil is compiled: they are for this kind of machine.
shiv -q -p '/usr/bin/env python3' -e watchdog_cli.__main__:main -o dist/watchdog.pyz "$wheel"
shiv -q -p '/usr/bin/env python3' -e tracker.__main__:main -o dist/tracker.pyz "$wheel"

# The packages and the single files install with their core alone, run the main job, and say the version that they were
# built as: with each Python in an empty environment.
try_with() {
    for package in "$wheel" "$source"; do
        rm -rf "$work/empty"
        "$1" -m venv "$work/empty"
        "$work/empty/bin/python" -m pip install --quiet --disable-pip-version-check "$package"
        python scripts/try_release.py "$version" "$work/empty/bin/watchdog" "$work/empty/bin/python" -m tracker
    done
    rm -rf "$work/no-pip" "$work/shiv"
    "$1" -m venv --without-pip "$work/no-pip"
    (
        PATH="$work/no-pip/bin:/usr/bin:/bin"
        SHIV_ROOT="$work/shiv"
        export PATH SHIV_ROOT
        "$work/tools/bin/python" scripts/try_release.py "$version" "$PWD/dist/watchdog.pyz" "$PWD/dist/tracker.pyz"
    )
}
while read -r number path; do
    echo "Python $number ($path):"
    try_with "$path" </dev/null # what runs here must not read the list
done <"$work/pythons"

# All that can be installed with it, extras and all.
"$python" -m venv "$work/whole"
"$work/whole/bin/python" -m pip install --quiet --disable-pip-version-check "${wheel}[forensics,metrics,notify,web]"
cyclonedx-py environment --pyproject pyproject.toml --output-format JSON --output-file dist/sbom.json \
    "$work/whole/bin/python"
"$work/whole/bin/python" -m pip freeze --exclude tracker-watchdog >"$work/frozen.txt"
audited=0
sh scripts/audit.sh "$work/frozen.txt" dist/audit.md || audited=$?
# Known faults end it; an audit that could not be made ends what is to be published.
[ "$audited" = 0 ] || { [ "$audited" = 2 ] && [ "$quick" = --quick ]; } || exit "$audited"

# Lint and types are looked at once; each further Python runs the tests on the package as it is installed.
test_with() {
    rm -rf "$work/tests"
    "$1" -m venv "$work/tests"
    "$work/tests/bin/python" -m pip install --quiet --disable-pip-version-check "${wheel}[dev]"
    (
        PATH="$work/tests/bin:$PATH"
        export PATH
        cd "$work/tracker_watchdog-$version"
        pytest -q -n "${WORKERS:-3}"
    )
}
if [ "$quick" != --quick ]; then
    tar -xzf "$source" -C "$work"
    (cd "$work/tracker_watchdog-$version" && PYTHON=$python sh scripts/check.sh)
    checked=$("$python" -c 'import platform; print(platform.python_version())')
    while read -r number path; do
        [ "$number" = "$checked" ] && continue
        echo "Python $number ($path):"
        test_with "$path" </dev/null
    done <"$work/pythons"
fi
ls -l dist
