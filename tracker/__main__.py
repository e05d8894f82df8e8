"""What ``python -m tracker`` runs."""

from tracker.cli import main

if __name__ == "__main__":
    main()
