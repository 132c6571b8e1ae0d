"""Character cards in and out: pure functions on bytes and JSON, with no database, network or web."""
