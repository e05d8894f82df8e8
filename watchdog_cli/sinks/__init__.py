"""Listeners: they are told facts and never steer. What they need of the system is handed to them by the wiring."""
