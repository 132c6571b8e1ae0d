"""YAML, as text-generation-webui writes its characters: every value as the text that stands there, no references."""

from typing import Any

import yaml

from studio.cards import limits
from studio.cards.documents import Json, storable
from studio.cards.errors import DamagedError, NotACardError, TooLargeError
from studio.cards.notes import Notebook

_NO_CARD = "This file is no character card; give a PNG, JSON, YAML, CHARX or BYAF card."

# The base loader makes texts of all values: a character called No is not `false`, and 1.10 keeps its zero.
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def parse_yaml(payload: bytes, notes: Notebook) -> Json | list[Any]:
    """The object or list that stands in the YAML; raises NotACardError where there is none.

    Anchors are refused before anything is built, since a few of them blow up to gigabytes. Raises TooLargeError or
    DamagedError with the place as well.
    """
    if len(payload) > limits.YAML_BYTES:
        raise NotACardError(_NO_CARD)
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotACardError(_NO_CARD) from None
    if "\0" in text or ":" not in text:
        raise NotACardError(_NO_CARD)
    try:
        is_one = _check_events(text)
        value = yaml.load(text, Loader=_LOADER) if is_one else None  # noqa: S506 - The base loader makes texts only.
    except yaml.MarkedYAMLError as error:
        if not _looks_written(text):
            raise NotACardError(_NO_CARD) from None
        mark = error.problem_mark
        raise DamagedError(
            "This YAML is damaged at line %(line)s, column %(column)s; mend it there and try again.",
            line=mark.line + 1 if mark else 1,
            column=mark.column + 1 if mark else 1,
        ) from None
    except (yaml.YAMLError, ValueError):
        raise NotACardError(_NO_CARD) from None
    if not isinstance(value, dict | list):
        raise NotACardError(_NO_CARD)
    found: Json | list[Any] = storable(value, notes)
    return found


def _check_events(text: str) -> bool:
    """Whether there is exactly one document; raises where building it would cost more than its text."""
    depth = documents = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if isinstance(event, yaml.AliasEvent):
            raise DamagedError("This YAML refers to parts of itself (`*name`), which no card does; write them out.")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > limits.JSON_DEPTH:
                raise TooLargeError("The card's YAML is nested deeper than %(limit)s levels.", limit=limits.JSON_DEPTH)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if count > limits.JSON_VALUES:
            raise TooLargeError("The card's YAML has more than %(limit)s values.", limit=limits.JSON_VALUES)
    return documents == 1


def _looks_written(text: str) -> bool:
    """Whether the first line that says something is a key, as in a card; prose with a colon in it is not."""
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith(("#", "---")):
            return line.split(":", 1)[0].strip() in {"name", "context", "greeting", "char_name", "user", "bot"}
    return False
