"""The dry-run report of a card as JSON: bounded, and made of sentences that the edge translates by their msgid."""

from collections.abc import Mapping
from typing import Any

from studio.authoring import fields
from studio.cards.documents import storable
from studio.cards.notes import Note
from studio.cards.reading import CardReading
from studio.kit.text import excerpt

_MOST_NOTES = 200
_MOST_PATHS = 500
_EXCERPT = 300


def of(reading: CardReading, *, name: str, problems: Mapping[str, str]) -> dict[str, Any]:
    """What was read, repaired, kept and noticed; `problems` hold back the confirmation, by field."""
    report: dict[str, Any] = {
        "name": name,
        "format": reading.format,
        "container": reading.container,
        "spec_version": reading.spec_version,
        "fields": [
            {"key": field.key, "length": field.length, "items": field.items} for field in reading.fields[:_MOST_PATHS]
        ],
        "repairs": [_note(note) for note in (*fields.repairs(reading.card), *reading.repairs)[:_MOST_NOTES]],
        "warnings": [_note(note) for note in reading.warnings[:_MOST_NOTES]],
        "kept": [excerpt(path, _EXCERPT) for path in reading.kept[:_MOST_PATHS]],
        "kept_count": len(reading.kept),
        "mirror_differences": [
            {
                "where": difference.where,
                "key": difference.key,
                "used": excerpt(_text(difference.used), _EXCERPT),
                "other": excerpt(_text(difference.other), _EXCERPT),
            }
            for difference in reading.mirror_differences[:_MOST_NOTES]
        ],
        "lorebook_entries": reading.lorebook_entries,
        "assets": len(reading.assets),
        "picture": None,
        "problems": dict(problems),
    }
    if reading.picture is not None:
        report["picture"] = {
            "width": reading.picture.width,
            "height": reading.picture.height,
            "media_type": reading.picture.media_type,
            "size_bytes": len(reading.picture.data),
        }
    clean: dict[str, Any] = storable(report)
    return clean


def remark(code: str, message: str, params: Mapping[str, object], *, path: str = "") -> dict[str, Any]:
    """One remark in the form of the report's repairs and warnings."""
    return {
        "code": code,
        "path": excerpt(path, _EXCERPT),
        "message": message,
        "params": {
            key: value if isinstance(value, int) else excerpt(str(value), _EXCERPT) for key, value in params.items()
        },
        "count": 1,
    }


def _note(note: Note) -> dict[str, Any]:
    return {**remark(note.code, note.message, note.params, path=note.path), "count": note.count}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)[: _EXCERPT * 2]
