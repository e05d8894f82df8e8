"""watchdog: keeps a long-running program alive, and notices when it freezes."""

__version__ = "0.1.0"
