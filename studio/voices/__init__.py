"""Voices: how characters sound in each language, texts spoken by them, and what that cost."""
