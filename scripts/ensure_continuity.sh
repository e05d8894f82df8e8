#!/bin/sh
# Makes sure that the tracker runs under its watchdog: starts both in the background if need be, and says how they are.
here=$(dirname -- "$0")
python=$here/../.venv/bin/python
[ -x "$python" ] || python=python3
exec "$python" "$here/start_with_monitor.py" --ensure "$@"
