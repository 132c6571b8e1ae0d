"""Voices and speech on the screen."""
