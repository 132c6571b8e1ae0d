"""Jobs as rows: asked for by name, claimed, kept alive, finished, swept. Knows nothing of what carries them."""

from studio.work.asking import ask, set_nudge

__all__ = ["ask", "set_nudge"]
