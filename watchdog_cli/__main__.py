"""``python -m watchdog_cli`` and the script ``watchdog``."""

from watchdog_cli.cli.main import main

if __name__ == "__main__":
    main()
