"""``python -m watchdog_cli`` and the script ``watchdog``."""

import signal
import sys


def main() -> None:
    """Run the command line; never returns."""
    if sys.argv[1:2] == ["run"] and hasattr(signal, "pthread_sigmask"):
        # Loading ourselves takes a second where processors are short. A stop in it waits until it is heard: it would
        # end us and leave the program of our predecessor, and to process 1 of a container it would not be sent at all.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    from watchdog_cli.cli.main import main as command_line

    command_line()


if __name__ == "__main__":
    main()
