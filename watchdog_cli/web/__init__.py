"""The page: its own process, an extra; reads what every other command reads."""
