"""Running the studio: the error log, health, and what staff do about both."""
