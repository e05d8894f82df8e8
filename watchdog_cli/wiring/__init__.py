"""The one place that binds the core to real adapters."""
