"""What of a list's page is the same at each look is rendered once: rows, cursors and tokens are put in every time.

A frame belongs to one person and one question: its key names who asks, with their roles, language and colours, and
all of the address but the page's place. So nothing of one person's page can stand on another's. Which rows there
are, and whether the person may see them, is asked of the database at every look.
"""

import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

MOST_FRAMES = 400
"""Kept at once, some 20 KB each; the one that was used longest ago goes first."""

LASTS = 60.0
"""Seconds after which a frame is rendered anew, whatever its key: a file of the studio may have changed."""

_SECRET = secrets.token_hex(8)
"""Nobody can write a hole's name into a text: it is made up anew in every process."""

_HOLE = re.compile(f"{_SECRET}-([a-z]+)-")


def hole(name: str) -> str:
    """What stands in a rendered frame where `name` is put in later; it passes through escaping and addresses unchanged."""
    return f"{_SECRET}-{name}-"


@dataclass(frozen=True, slots=True)
class Frame:
    """A rendered page in pieces: text and the names of holes by turns, beginning and ending with text."""

    pieces: tuple[str, ...]
    until: float

    def filled(self, values: Mapping[str, str]) -> str:
        """The page with `values`, which are HTML, in its holes."""
        pieces = list(self.pieces)
        for place in range(1, len(pieces), 2):
            pieces[place] = values[pieces[place]]
        return "".join(pieces)


class Frames:
    """The frames of one process, at most MOST_FRAMES, each for at most LASTS seconds."""

    def __init__(self, most: int = MOST_FRAMES) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Frame] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Hashable) -> Frame | None:
        """The frame of this key, if it is there and not too old."""
        with self._lock:
            frame = self._kept.get(key)
            if frame is None:
                return None
            if time.monotonic() > frame.until:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return frame

    def keep(self, key: Hashable, page: str) -> Frame:
        """Cut `page`, rendered with holes, into a frame and keep it under `key`."""
        frame = Frame(tuple(_HOLE.split(page)), time.monotonic() + LASTS)
        with self._lock:
            self._kept[key] = frame
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return frame
