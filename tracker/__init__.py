"""A crypto-token tracker: watches prices, saves safely, tells about rises exactly once."""
