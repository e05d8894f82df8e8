"""What macOS does in its own way; written from its headers and manual pages, never run on a Mac."""
