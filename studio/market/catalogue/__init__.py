"""The catalogue: categories, and listings from a draft to what is live."""
