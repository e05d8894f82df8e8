"""Signs of life by sd_notify, without any package: ``watchdog run --sd-notify -- python examples/notify.py``."""

import os
import socket
import time


def notify(text: str) -> None:
    """Tell who started us; under nothing that listens, say nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as talk:
            talk.sendto(text.encode(), "\0" + address[1:] if address[0] == "@" else address)


notify("READY=1")
while True:
    time.sleep(float(os.environ.get("TURN", "10")))  # your work
    notify("WATCHDOG=1\nSTATUS=one more turn is done")  # after the work, never from a timer
