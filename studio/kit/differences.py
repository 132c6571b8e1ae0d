"""What changed between two texts, word by word and Chinese by the character, at a bounded cost."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from studio.kit.matching import BoundedMatcher, Effort

_MOST_WORDS = 1_500
_MOST_SENTENCES = 20_000
_LONGEST_PIECE = 4_000
EFFORT = 5_000_000
"""Steps of comparing for all texts of a page together: about a second."""

FOLDED_FROM = 600
"""An unchanged passage of more signs is folded."""

LONGEST = 20_000
"""A passage of more signs loses its middle on a screen."""

_REWRITTEN_FROM = 120
"""Signs of the shorter text from which on two texts may be called different ones."""

# A few letters or signs that two texts share are chance: twelve bytes are four Chinese characters, or two words.
_RUN = 12
_AROUND = 160
_KEPT = 4_000
# A word keeps the blanks behind it: single blanks are everywhere, and would make comparing quadratic.
_WORD = re.compile(r"[^\W\u2e80-\U0010ffff]+[ \t]*|\s+|.", re.DOTALL)
_SENTENCE = re.compile(r"[^\n.!?。！？]*[\n.!?。！？]+\s*|[^\n.!?。！？]+")


class Change(StrEnum):
    """What became of a piece of text."""

    SAME = "same"
    GONE = "gone"
    COME = "come"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text that stayed, went or came."""

    change: Change
    text: str


def words(before: str, after: str, *, effort: Effort | None = None) -> tuple[Piece, ...]:
    """`after` against `before`. What is long is compared by sentences first, and by words where little is left.

    Joining what stayed and came gives `after`, joining what stayed and went gives `before`, up to the length at
    which a single piece is cut. Where `effort` is used up, what differs is shown in larger pieces; so it is where the
    texts have less than a third in common: scraps of two different texts between each other can be read by nobody.
    """
    pieces = tuple(_merged(_compared(before, after, effort or Effort(EFFORT))))
    return (Piece(Change.GONE, before), Piece(Change.COME, after)) if _is_scrappy(pieces, before, after) else pieces


def is_rewritten(pieces: Sequence[Piece]) -> bool:
    """Whether nothing of the one text is left in the other, so that both are read best beside each other."""
    return [piece.change for piece in pieces] == [Change.GONE, Change.COME]


def shortened(piece: Piece) -> str:
    """The text of a piece for a screen; a long one loses its middle."""
    if len(piece.text) <= _LONGEST_PIECE:
        return piece.text
    half = _LONGEST_PIECE // 2
    return f"{piece.text[:half]} … {piece.text[-half:]}"


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece as a screen shows it: in full, folded away, or without its middle, of which `left_out` counts the signs."""

    change: Change
    text: str
    is_folded: bool = False
    left_out: int = 0


def passages(pieces: Iterable[Piece]) -> Iterator[Passage]:
    """The pieces for a screen: what is long and unchanged is folded up to what stands beside a change."""
    shown = list(pieces)
    for place, piece in enumerate(shown):
        if piece.change is not Change.SAME or len(piece.text) <= FOLDED_FROM:
            yield _passage(piece.change, piece.text)
            continue
        start = _AROUND if place > 0 else 0
        end = len(piece.text) - (_AROUND if place < len(shown) - 1 else 0)
        if start:
            yield Passage(Change.SAME, piece.text[:start])
        yield _passage(Change.SAME, piece.text[start:end], is_folded=True)
        if end < len(piece.text):
            yield Passage(Change.SAME, piece.text[end:])


def _passage(change: Change, text: str, *, is_folded: bool = False) -> Passage:
    if len(text) <= LONGEST:
        return Passage(change, text, is_folded)
    half = _KEPT // 2
    return Passage(change, f"{text[:half]}…{text[-half:]}", is_folded, len(text) - 2 * half)


def _is_scrappy(pieces: Sequence[Piece], before: str, after: str) -> bool:
    shorter = min(len(before), len(after))
    if shorter < _REWRITTEN_FROM:
        return False
    kept = sum(len(piece.text) for piece in pieces if piece.change is Change.SAME and len(piece.text.encode()) >= _RUN)
    return 3 * kept < shorter


def _compared(before: str, after: str, effort: Effort) -> Iterator[Piece]:
    old, new = _WORD.findall(before), _WORD.findall(after)
    start, end = _alike(old, new)
    yield Piece(Change.SAME, "".join(new[:start]))
    middle_old, middle_new = old[start : len(old) - end], new[start : len(new) - end]
    if max(len(middle_old), len(middle_new)) <= _MOST_WORDS:
        yield from _matched(middle_old, middle_new, effort)
    else:
        yield from _by_sentence("".join(middle_old), "".join(middle_new), effort)
    yield Piece(Change.SAME, "".join(new[len(new) - end :]))


def _by_sentence(before: str, after: str, effort: Effort) -> Iterator[Piece]:
    old, new = _SENTENCE.findall(before), _SENTENCE.findall(after)
    if max(len(old), len(new)) > _MOST_SENTENCES:
        yield from (Piece(Change.GONE, before), Piece(Change.COME, after))
        return
    for kind, a, b, c, d in BoundedMatcher(old, new, effort=effort, autojunk=False).get_opcodes():
        gone, come = "".join(old[a:b]), "".join(new[c:d])
        if kind == "equal":
            yield Piece(Change.SAME, come)
            continue
        gone_words, come_words = _WORD.findall(gone), _WORD.findall(come)
        if 0 < max(len(gone_words), len(come_words)) <= _MOST_WORDS // 4:
            yield from _matched(gone_words, come_words, effort)
        else:
            yield from (Piece(Change.GONE, gone), Piece(Change.COME, come))


def _matched(old: Sequence[str], new: Sequence[str], effort: Effort) -> Iterator[Piece]:
    for kind, a, b, c, d in BoundedMatcher(old, new, effort=effort, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Piece(Change.SAME, "".join(new[c:d]))
        else:
            yield Piece(Change.GONE, "".join(old[a:b]))
            yield Piece(Change.COME, "".join(new[c:d]))


def _alike(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many pieces are alike at the start, and at the end of what then is left."""
    shorter = min(len(old), len(new))
    start = next((place for place in range(shorter) if old[place] != new[place]), shorter)
    left = shorter - start
    end = next((place for place in range(left) if old[-1 - place] != new[-1 - place]), left)
    return start, end


def _merged(pieces: Iterator[Piece]) -> Iterator[Piece]:
    kept: Piece | None = None
    for piece in pieces:
        if not piece.text:
            continue
        if kept is not None and kept.change is piece.change:
            kept = Piece(kept.change, kept.text + piece.text)
            continue
        if kept is not None:
            yield kept
        kept = piece
    if kept is not None:
        yield kept
