"""The same matters of the operating system on Windows; ``adapters.system`` chooses."""
