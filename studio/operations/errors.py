"""Why operations refuse, and `record`, the name by which everybody keeps an error that nobody handled."""

from collections.abc import Sequence
from typing import Any

from studio.kit.errors import ConflictError
from studio.operations.error_log import record, report

__all__ = ["UsedCharacterError", "record", "report"]


class UsedCharacterError(ConflictError):
    """Proof holds a character; `uses` says which (`studio.operations.usage.Use`)."""

    def __init__(self, *, name: str, uses: Sequence[Any]) -> None:
        super().__init__(
            "%(name)s cannot be deleted. Take its listing down and archive it instead: then it is out of the way.",
            name=name,
        )
        self.uses = uses
