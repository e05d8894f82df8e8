"""The barest supervisor that Python can be: start, wait for the end by pidfd, start again. The yardstick, not a model.

    python benchmarks/bare_loop.py COMMAND [ARGUMENT]...

It keeps no log, judges nothing, counts nothing and leaves a tree behind when it is killed.
"""

import os
import select
import subprocess
import sys


def main() -> None:
    """Run the command again and again."""
    while True:
        process = subprocess.Popen(
            sys.argv[1:],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        descriptor = os.pidfd_open(process.pid)
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll()
        process.wait()
        os.close(descriptor)


if __name__ == "__main__":
    main()
