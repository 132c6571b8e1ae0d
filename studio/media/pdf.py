"""PDF written anew without what it tells of its maker and without what could run or hide in it."""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from enum import IntEnum
from pathlib import Path

from studio.media.errors import UnusableFileError

MEDIA_TYPE = "application/pdf"

_PROCESS = "studio.media.pdf_process"
_SECONDS = 60.0
_ROOT = Path(__file__).resolve().parents[2]
# However many people bring one at once, the machine works on two.
_AT_ONCE = threading.BoundedSemaphore(2)


class Ending(IntEnum):
    """How the process that reads a file says what came of it."""

    FREED = 0
    DAMAGED = 3
    LOCKED = 4
    TOO_MUCH = 5


def free(path: Path) -> dict[str, bool]:
    """The PDF at `path` tells no author, title, date, program, place or remark's writer, and nothing runs or hides in it.

    It is written anew: earlier states of it, and whatever hangs behind its end, are gone. Its pages look as they did.
    Returns what else was taken out: `had_active` (scripts, actions), `had_files` (attachments, players). Raises
    UnusableFileError for a damaged or protected one, and for one that costs too much to read. What a hostile file does to
    the parser happens in a process of its own, with little memory, little time and none of the studio's settings.
    """
    with _AT_ONCE, tempfile.TemporaryDirectory(prefix="greenroom-") as folder:
        target = Path(folder) / "clean.pdf"
        try:
            done = subprocess.run(  # noqa: S603 - Our own module, and paths that we made.
                [sys.executable, "-m", _PROCESS, path, target],
                cwd=folder,
                env={"PYTHONPATH": str(_ROOT), "MALLOC_ARENA_MAX": "1"},
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _refusal(Ending.TOO_MUCH) from None
        if done.returncode != Ending.FREED:
            raise _refusal(done.returncode)
        shutil.copyfile(target, path)
        found: dict[str, bool] = json.loads(done.stdout)
        return found


def _refusal(code: int) -> UnusableFileError:
    if code == Ending.LOCKED:
        return UnusableFileError("The PDF is protected by a password. Save a copy without protection, and bring that.")
    if code == Ending.DAMAGED:
        return UnusableFileError("The PDF is damaged and cannot be read; print it into a new PDF, and bring that.")
    # It asked for more memory or time than it may have, or the parser fell over it.
    return UnusableFileError("The PDF is too complex to be looked through; print it into a new PDF, and bring that.")
