"""Entries that start a watchdog at boot, one module for each service manager."""
