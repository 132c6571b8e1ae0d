"""Real servers on this machine that answer as the outside does, well or badly as told."""
