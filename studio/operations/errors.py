"""Why operations refuse, and `record`, the name by which everybody keeps an error that nobody handled."""

from studio.operations.error_log import record, report

__all__ = ["record", "report"]
