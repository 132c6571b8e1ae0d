"""Every job by its name: `@job("memory.embed_character")` on a function makes it one."""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from jobs.context import JobContext

__all__ = ["JobContext", "Registered", "job", "load", "registered"]

MODULES = ("authoring", "chat", "editing", "market", "media", "memory", "money", "operations", "voices")
"""The modules of this package that hold jobs, one per domain; `money` is a part of the market."""

Handler: TypeAlias = Callable[..., Mapping[str, Any] | None]
H = TypeVar("H", bound=Handler)

_PARSERS: Mapping[Any, Callable[[Any], Any]] = {
    UUID: lambda value: UUID(str(value)),
    date: lambda value: date.fromisoformat(str(value)),
    int: int,
    str: str,
    bool: bool,
}
Jobs: TypeAlias = "Mapping[str, Registered]"

_registered: dict[str, "Registered"] = {}


@dataclass(frozen=True, slots=True)
class Registered:
    """One job: its handler, the queue that the schedule asks it on, its limits in attempts and seconds."""

    name: str
    handler: Handler
    queue: str
    max_attempts: int | None
    timeout: float
    parameters: Mapping[str, tuple[type, bool]]

    def arguments(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """What the row keeps, as the handler's annotations want it. Raises TypeError, ValueError."""
        unknown = set(kept) - set(self.parameters)
        missing = {name for name, (_, required) in self.parameters.items() if required} - set(kept)
        if unknown or missing:
            names = ", ".join(sorted(unknown | missing))
            raise TypeError(f"The job {self.name} was asked with other arguments than it takes: {names}.")
        return {
            name: None if value is None else _PARSERS[self.parameters[name][0]](value) for name, value in kept.items()
        }


def job(
    name: str, *, queue: str = "default", max_attempts: int | None = None, timeout: float = 300.0
) -> Callable[[H], H]:
    """Make the decorated function the job `name` (`<domain>.<verb_object>`).

    The function takes a `JobContext`, and ids by keyword, annotated as UUID, int, str, bool or date
    (or one of these or None). It may return a small dict, kept as the job's result. It may run more than once,
    so what it does twice must equal what it does once. `timeout` is in seconds. `queue` is where
    the schedule asks it; whoever else asks says so to `work.ask`. `max_attempts` limits the
    attempts further than the asker did.
    """

    def register(handler: H) -> H:
        if name in _registered and _registered[name].handler is not handler:
            raise ValueError(f"Two functions are the job {name}.")
        _registered[name] = Registered(
            name=name,
            handler=handler,
            queue=queue,
            max_attempts=max_attempts,
            timeout=timeout,
            parameters=_parameters(handler),
        )
        return handler

    return register


def registered(name: str) -> Registered | None:
    """The job of that name, or None."""
    return _registered.get(name)


def load() -> Jobs:
    """Import every module of jobs, and return all of them by name; may be repeated."""
    for module in MODULES:
        import_module(f"jobs.{module}")
    return dict(_registered)


def _parameters(handler: Handler) -> Mapping[str, tuple[type, bool]]:
    hints = typing.get_type_hints(handler)
    found: dict[str, tuple[type, bool]] = {}
    for parameter in list(inspect.signature(handler).parameters.values())[1:]:
        kind = hints.get(parameter.name)
        inner = [part for part in typing.get_args(kind) if part is not type(None)]
        kind = inner[0] if len(inner) == 1 else kind
        if kind is None or parameter.kind is not inspect.Parameter.KEYWORD_ONLY or kind not in _PARSERS:
            raise TypeError(
                f"{handler.__qualname__}: {parameter.name} must be keyword-only and an id or a small value."
            )
        found[parameter.name] = (kind, parameter.default is inspect.Parameter.empty)
    return found
