"""Files and pictures on the screen."""
