"""The market: categories, listings, their screening and their review."""
