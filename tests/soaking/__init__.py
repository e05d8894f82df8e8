"""A watchdog and its tracker, tormented at random, with every promise looked at all the while (``scripts/soak.py``)."""
