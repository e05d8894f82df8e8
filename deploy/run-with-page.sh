#!/bin/sh
# The command of a container that has both: the watchdog, and the web page beside it. The words are those of
# `watchdog run`: run-with-page -- python -m tracker. Both work in the present folder and under WATCHDOG_NAME.
set -eu

if [ -n "${WATCHDOG_WEB_TOKEN:-}" ]; then
    # Whatever happens to the page, it is started again, for as long as the watchdog lives, which goes on under the
    # number of this shell. What is left of it ends with the container.
    (
        while kill -0 $$ 2>/dev/null; do
            watchdog web --host "${WATCHDOG_WEB_HOST:-0.0.0.0}" || true
            sleep 5
        done
    ) &
else
    echo "run-with-page: no page, for everybody could read it; set WATCHDOG_WEB_TOKEN to a long random text" >&2
fi
exec watchdog run "$@"
