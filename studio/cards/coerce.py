"""Values of a wrong type brought to the right one, each change with its note."""

import json
import math
from typing import Any

from studio.cards.notes import Notebook

Number = int | float

_FILLED = "A required value was missing and was filled with its default."
_WRONG = "A value of the wrong type was turned into the right one."
_DROPPED = "A value that has no meaning here is left out; it stays in the original."


def filled(notes: Notebook | None, path: str) -> None:
    """Notes a filled default, unless `notes` is None because the format knows no such key."""
    if notes is not None:
        notes.repair("filled", path, _FILLED)


def dropped(notes: Notebook, path: str) -> None:
    """Notes a value that is not taken over."""
    notes.warn("dropped", path, _DROPPED)


def text(value: Any, notes: Notebook, path: str) -> str:
    """A string; null is empty, numbers are written out, lists of strings get one line each."""
    if isinstance(value, str):
        return value
    if value is None:
        filled(notes, path)
        return ""
    notes.repair("retyped", path, _WRONG)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def texts(value: Any, notes: Notebook, path: str, *, split_at: str | None = None) -> list[str]:
    """A list of strings; a string becomes a list of one, or is split, and other values are left out."""
    if isinstance(value, str):
        notes.repair("retyped", path, _WRONG)
        if split_at is not None:
            return [part.strip() for part in value.split(split_at) if part.strip()]
        return [value] if value else []
    if value is None:
        filled(notes, path)
        return []
    if not isinstance(value, list):
        dropped(notes, path)
        return []
    kept = [item for item in value if isinstance(item, str)]
    if len(kept) != len(value):
        dropped(notes, f"{path}[*]")
    return kept


def mapping(value: Any, notes: Notebook, path: str) -> dict[str, Any]:
    """An object; null is an empty one, anything else is left out."""
    if isinstance(value, dict):
        return value
    if value is None or value == []:
        filled(notes, path)
    else:
        dropped(notes, path)
    return {}


def number(value: Any) -> Number | None:
    """A finite number, also from text or an integral float's spelling; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if math.isfinite(value) else None
    if not isinstance(value, str) or len(value) > 40:  # noqa: PLR2004  # Longer digits are no number that counts.
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        parsed = float(value)
    except ValueError:
        return None
    return parsed if math.isfinite(parsed) else None


def boolean(value: Any) -> bool | None:
    """A truth value, also from 0, 1, "true" and "false"; None where it is none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
    if isinstance(value, int | float) and value in {0, 1}:
        return bool(value)
    return None
