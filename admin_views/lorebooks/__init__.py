"""A character's lorebook on the screen."""
