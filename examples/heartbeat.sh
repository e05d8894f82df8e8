#!/bin/sh
# A heartbeat in the shell: watchdog run -- sh examples/heartbeat.sh
while :; do
    sleep "${TURN:-10}"                                # your work
    printf '{"pid": %s, "runId": "%s", "lastCycle": "%s"}' \
        $$ "$WATCHDOG_RUN_ID" "$(date -u +%FT%TZ)" >"$WATCHDOG_HEARTBEAT.tmp"
    mv "$WATCHDOG_HEARTBEAT.tmp" "$WATCHDOG_HEARTBEAT" # after the work, never from a timer
done
