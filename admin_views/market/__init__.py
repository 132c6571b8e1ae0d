"""Listings, categories, reports and appeals on the screen."""
