"""Watchdogs on three hosts that share one lease, tormented at random (``scripts/lease_soak.py``)."""
