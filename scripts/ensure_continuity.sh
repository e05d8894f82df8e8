#!/bin/sh
# Makes sure that the tracker runs under its watchdog: starts both in the background if need be, and says how they are.
own=$(readlink -f -- "$0" 2>/dev/null) || own=$0 # called by a link, on a desktop for example
here=$(dirname -- "$own")
python=$here/../.venv/bin/python
[ -x "$python" ] || python=python3
exec "$python" "$here/start_with_monitor.py" --ensure "$@"
