#!/bin/sh
# Signs of life by sd_notify, from the shell: watchdog run --sd-notify -- sh examples/notify.sh
# systemd-notify comes with systemd; it needs no systemd to run, only NOTIFY_SOCKET, which the watchdog sets.
systemd-notify --ready
while :; do
    sleep "${TURN:-10}"                                     # your work
    systemd-notify WATCHDOG=1 "STATUS=done at $(date -u +%FT%TZ)" # after the work, never from a timer
done
