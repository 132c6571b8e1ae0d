"""What a log line, an audit entry and an error say of the request or job in which they were made."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The reference of the request or job under way; a person can quote it."""
