"""Screening: checks, near-duplicates and risk, which a moderator reads and which decide nothing."""
