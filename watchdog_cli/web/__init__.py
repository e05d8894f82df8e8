"""The web page: its own process, which reads what is there and asks as any command does."""
