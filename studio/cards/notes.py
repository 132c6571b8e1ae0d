"""What the reader says about a card: what was repaired, what to look at, what a writer loses."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# A report is for reading; a file made to flood it stays a file with a long report and no more.
MOST_NOTES = 500
MOST_KEPT = 5_000


@dataclass(frozen=True)
class Note:
    """One remark: a stable `code`, where it applies, and an English sentence that the edge translates by its msgid.

    `[*]` in a path stands for any index; `count` says how often the same remark applies there.
    """

    code: str
    path: str
    message: str
    params: Mapping[str, object] = field(default_factory=dict)
    count: int = 1

    @property
    def text(self) -> str:
        """The English sentence with its values filled in."""
        return self.message % self.params if self.params else self.message

    def as_json(self) -> dict[str, Any]:
        """The note for `inspect --json`."""
        shown: dict[str, Any] = {"code": self.code, "path": self.path, "message": self.text}
        if self.count > 1:
            shown["count"] = self.count
        return shown


class Notebook:
    """Collects notes while a card is read; equal remarks on many entries become one with a count."""

    def __init__(self) -> None:
        self._repairs: dict[tuple[str, str], Note] = {}
        self._warnings: dict[tuple[str, str], Note] = {}
        self._kept: dict[str, None] = {}

    def repair(self, code: str, path: str, message: str, **params: object) -> None:
        """Something was put right in the normalised copy; the stored document is unchanged."""
        _add(self._repairs, Note(code, path, message, params))

    def warn(self, code: str, path: str, message: str, **params: object) -> None:
        """Something a person should look at."""
        _add(self._warnings, Note(code, path, message, params))

    def keep(self, path: str) -> None:
        """An unknown key was found at this path and is kept as it is."""
        if len(self._kept) < MOST_KEPT:
            self._kept[path] = None
        elif path not in self._kept:
            self.warn("more_kept", "", "More unknown keys than are listed here are kept too.")

    def extend(self, other: "Notebook") -> None:
        """Takes over all that another notebook holds, behind what stands here."""
        for note in other.repairs:
            self._repairs.setdefault((note.code, note.path), note)
        for note in other.warnings:
            self._warnings.setdefault((note.code, note.path), note)
        for path in other.kept:
            self.keep(path)

    @property
    def repairs(self) -> tuple[Note, ...]:
        """The repairs, in the order in which they were first made."""
        return tuple(self._repairs.values())

    @property
    def warnings(self) -> tuple[Note, ...]:
        """The warnings, in the order in which they first came up."""
        return tuple(self._warnings.values())

    @property
    def kept(self) -> tuple[str, ...]:
        """The paths of unknown keys, each once."""
        return tuple(self._kept)


def _add(notes: dict[tuple[str, str], Note], note: Note) -> None:
    if (note.code, note.path) not in notes and len(notes) >= MOST_NOTES:
        note = Note("more_notes", "", "There are more remarks than are listed here.")
    known = notes.get((note.code, note.path))
    notes[note.code, note.path] = replace(known, count=known.count + 1) if known else note
