"""One matter of the operating system in each module."""
