"""The test chat on the screen."""
