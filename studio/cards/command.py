"""`studio cards inspect` and `studio cards export`: files in, words and files out, no database."""

import json
import os
import tempfile
from pathlib import Path
from typing import TextIO

from studio.cards import limits
from studio.cards.errors import CardError, ExportError, TooLargeError
from studio.cards.formats import FORMATS
from studio.cards.notes import Note
from studio.cards.reader import read_card
from studio.cards.reading import CardReading
from studio.cards.writer import write_card

_SHOWN_NOTES = 40


def inspect(path: Path, *, as_json: bool, out: TextIO) -> None:
    """Prints what the card file holds, what was repaired and what is kept; changes nothing.

    Raises StudioError with one sentence where the file is no card or cannot be read.
    """
    reading = _read(path)
    if as_json:
        json.dump(_as_json(reading), out, ensure_ascii=False, indent=2)
        out.write("\n")
    else:
        out.write(_report(path, reading))


def export(path: Path, *, to: str, as_: str, output: Path, keep_metadata: bool, out: TextIO) -> None:
    """Writes the card in another version and container to `output`, whole or not at all, and prints the losses.

    An existing file is replaced. Raises StudioError with one sentence; `output` is then as it was.
    """
    reading = _read(path)
    made = write_card(reading, to=to, as_=as_, now=None, keep_metadata=keep_metadata)
    _write_whole(output, made.data)
    out.write(f"Wrote {output} ({_bytes(len(made.data))}).\n")
    out.write(_section("Not seen by its readers", made.loss))


def _read(path: Path) -> CardReading:
    try:
        # The size is asked first, so that a huge file is refused unread.
        if path.stat().st_size > limits.FILE_BYTES:
            raise TooLargeError("The file has more than %(limit)s MB.", limit=limits.FILE_BYTES // limits.MB)
        data = path.read_bytes()
    except FileNotFoundError:
        raise CardError("There is no file %(path)s.", path=path) from None
    except IsADirectoryError:
        raise CardError("%(path)s is a folder; give one file.", path=path) from None
    except OSError as error:
        raise CardError("%(path)s cannot be read: %(reason)s.", path=path, reason=error.strerror) from None
    return read_card(data, filename=path.name)


def _write_whole(output: Path, data: bytes) -> None:
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{output.name[:40]}.", dir=output.parent)
    except OSError as error:
        raise ExportError("%(path)s cannot be written: %(reason)s.", path=output, reason=error.strerror) from None
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for the owner alone; a card is to be given away like any other new file.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ExportError("%(path)s cannot be written: %(reason)s.", path=output, reason=error.strerror) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _as_json(reading: CardReading) -> dict[str, object]:
    return {
        "format": reading.format,
        "spec_version": reading.spec_version,
        "card": reading.card,
        "repairs": [note.as_json() for note in reading.repairs],
        "warnings": [note.as_json() for note in reading.warnings],
        "kept": list(reading.kept),
        "lorebook_entries": reading.lorebook_entries,
        "content_hash": reading.content_hash,
    }


def _report(path: Path, reading: CardReading) -> str:
    title = next(kind.title for kind in FORMATS if kind.key == reading.kind)
    lines = [f"{_printable(reading.name) or '(no name)'} — {title} in {reading.container}, {path.name}"]
    if reading.picture is not None:
        size = _bytes(len(reading.picture.data))
        lines.append(
            f"Picture: {reading.picture.width} × {reading.picture.height}, {reading.picture.media_type}, {size}"
        )
    if reading.assets:
        lines.append(f"Assets: {len(reading.assets)}, {_bytes(sum(map(len, reading.assets.values())))}")
    lines += ["", "Fields found"]
    width = max((len(found.key) for found in reading.fields), default=0)
    for found in reading.fields:
        items = f" in {found.items} values" if found.items != 1 else ""
        lines.append(f"  {found.key:<{width}}  {found.length:>7,} characters{items}")
    if reading.lorebook_entries:
        lines.append(f"  {'lorebook':<{width}}  {reading.lorebook_entries:>7,} entries")
    report = "\n".join(lines) + "\n"
    report += _section("Repaired", reading.repairs) + _section("Look at", reading.warnings)
    if reading.kept:
        report += "\nUnknown keys, kept\n" + "".join(f"  {_printable(path)}\n" for path in reading.kept[:_SHOWN_NOTES])
        if len(reading.kept) > _SHOWN_NOTES:
            report += f"  … and {len(reading.kept) - _SHOWN_NOTES} more\n"
    return report + f"\nContent hash {reading.content_hash}\n"


def _section(title: str, notes: tuple[Note, ...]) -> str:
    if not notes:
        return ""
    lines = []
    for note in notes[:_SHOWN_NOTES]:
        where = f"{_printable(note.path)}: " if note.path else ""
        times = f" ({note.count} times)" if note.count > 1 else ""
        lines.append(f"  {where}{_printable(note.text)}{times}\n")
    if len(notes) > _SHOWN_NOTES:
        lines.append(f"  … and {len(notes) - _SHOWN_NOTES} more\n")
    return f"\n{title}\n" + "".join(lines)


def _printable(text: str) -> str:
    """The text without control characters, so that a card cannot write to the terminal as it likes."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _bytes(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{count / 1_000:.1f} kB"  # noqa: PLR2004
