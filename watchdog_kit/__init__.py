"""What the watchdog and the tracker both stand on, and that knows neither of them."""
