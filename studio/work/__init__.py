"""Jobs as rows: asked for by name, claimed, kept alive, finished, swept. Knows nothing of what carries them."""
