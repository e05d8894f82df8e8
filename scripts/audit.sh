#!/bin/sh
# Asks the advisory service about packages with their exact versions (as `pip freeze` prints them), and says which of
# three things came out: ends with 0 if no fault is known, 1 if faults are known, 2 if the service could not be asked.
#   sh scripts/audit.sh FROZEN REPORT       REPORT is written in the first two cases, and is gone in the third
set -eu
frozen=$1
report=$2
said=$(mktemp)
trap 'rm -f "$said"' EXIT INT TERM
# pip-audit ends with 1 both where it found something and where nobody answered; only what was found is printed.
code=0
pip-audit --strict --no-deps --disable-pip --requirement "$frozen" --format markdown --progress-spinner off \
    >"$report" 2>"$said" || code=$?
count=$(grep -c '==' "$frozen" || true)
if [ "$code" = 0 ]; then
    { echo "No known fault in these $count packages on $(date -u +%Y-%m-%d):"; echo; sed 's/^/    /' "$frozen"; } >"$report"
    echo "audit: no known fault in $count packages"
elif [ -s "$report" ]; then
    echo "audit: NOT clean; of $count packages these have known faults:" >&2
    cat "$report" >&2
    exit 1
else
    rm -f "$report"
    echo "audit: NOT MADE: the advisory service could not be asked about $count packages, so nothing is known of them:" >&2
    tail -n 1 "$said" >&2
    exit 2
fi
