"""PostgreSQL and Valkey on this machine, for a studio that was given no address of its own."""

from studio.embedded.services import attach, running

__all__ = ["attach", "running"]
