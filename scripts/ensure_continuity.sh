#!/bin/sh
# Makes sure that the tracker runs under its watchdog: starts both in the background if need be, and says how they are.
exec python3 "$(dirname -- "$0")/start_with_monitor.py" --ensure "$@"
