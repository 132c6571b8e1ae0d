"""How near copies are found: MinHash over 5-grams of a card's text with bands for the lookup, and quarters of a picture's hash."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.kit.text import folded

NEAR_COPY = 0.8
"""Jaccard similarity of 5-grams from which a text is nearly the same."""

ALIKE = 0.5
"""From here on a text is worth a look; below, cards of one kind are alike as well."""

GRAM = 5
NUMBERS = 128
BANDS = 32
"""Four numbers a band: of cards with a similarity of 0.8 all but one in 10^7 share a band, of 0.5 seven in eight, of 0.1 one in 300."""

FEWEST_GRAMS = 60
LONGEST = 200_000
"""Characters of a card that are read; the largest real description has 67,000."""

QUARTERS = 4
FLIPS = 2
"""Bits by which a quarter may differ: two pictures that differ in at most 11 of 64 bits agree so in one of the four."""

_ROWS = NUMBERS // BANDS
_CHUNK = 8_192
_TEXTS = ("description", "personality", "scenario", "first_mes", "mes_example")
_USER = re.compile(r"\{\{\s*user\s*\}\}|<user>", re.IGNORECASE)
_CHAR = re.compile(r"\{\{\s*char\s*\}\}|<bot>|<char>", re.IGNORECASE)
_CHAR_SIGN, _USER_SIGN = "\ue000", "\ue001"
_SHORTEST_NAME = 2
_SHORTEST_PART = 3
_NOT_SAID = re.compile(r"[^\w\ue000\ue001]+|_")

# Fixed for good: signatures made by other numbers could not be compared with those that are stored.
_NUMBERS = np.frombuffer(hashlib.shake_256(b"greenroom minhash 1").digest(16 * NUMBERS), "<u8").astype(np.uint64)
_FACTORS = _NUMBERS[:NUMBERS] | np.uint64(1)
_OFFSETS = _NUMBERS[NUMBERS:]
_BASE = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_HALF, _SHIFT = np.uint64(32), np.uint64(33)


def said(card: Mapping[str, Any]) -> str:
    """What a card says, as copies are compared: folded, without spaces and signs, the character's name and macros as one sign.

    So neither a new name nor another layout makes a new card. Prompts and lorebooks are left out: they are handed
    around, and two cards that share them are no copies. `card` is a V3 object.
    """
    data = card.get("data")
    data = data if isinstance(data, Mapping) else {}
    parts = [str(data.get(name) or "") for name in _TEXTS]
    more = data.get("alternate_greetings")
    parts += [one for one in more if isinstance(one, str)] if isinstance(more, list) else []
    text = "\n".join(parts)[:LONGEST]
    text = _USER.sub(_USER_SIGN, _CHAR.sub(_CHAR_SIGN, text))
    text = folded(text)
    for name in _names(data):
        # A Latin name stands between other signs; Chinese has no spaces to stand between.
        pattern = rf"\b{re.escape(name)}\b" if name.isascii() else re.escape(name)
        text = re.sub(pattern, _CHAR_SIGN, text)
    return _NOT_SAID.sub("", text)


def signature(text: str) -> bytes | None:
    """The MinHash of a text as `said` gives it: 128 numbers of 32 bits; None where there is too little text."""
    grams = _grams(text)
    if len(grams) < FEWEST_GRAMS:
        return None
    least = np.full(NUMBERS, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(grams), _CHUNK):
        hashed = (grams[None, start : start + _CHUNK] * _FACTORS[:, None] + _OFFSETS[:, None]) >> _HALF
        np.minimum(least, hashed.min(axis=1), out=least)
    return least.astype("<u4").tobytes()


def similarity(one: bytes, other: bytes) -> float:
    """The estimated Jaccard similarity of the texts behind two signatures; at 0.8 it is right to 0.04 or so."""
    same = np.frombuffer(one, "<u4") == np.frombuffer(other, "<u4")
    return float(same.mean())


def bands(signed: bytes) -> list[int]:
    """The keys by which a signature is looked up: one for each band, as positive bigints."""
    size = _ROWS * 4
    return [
        band << 48
        | int.from_bytes(hashlib.blake2b(signed[band * size : (band + 1) * size], digest_size=6).digest(), "big")
        for band in range(BANDS)
    ]


def quarters(picture_hash: int) -> list[int]:
    """The four 16-bit quarters of a 64-bit hash (signed as PostgreSQL keeps it), the highest first."""
    return [picture_hash >> (48 - 16 * place) & 0xFFFF for place in range(QUARTERS)]


def probes(quarter: int) -> list[int]:
    """All 16-bit numbers that differ from this one in at most FLIPS bits: 137 of them."""
    return sorted({quarter ^ mask for mask in _masks()})


def _masks() -> Iterator[int]:
    for flips in range(FLIPS + 1):
        for places in combinations(range(16), flips):
            yield sum(1 << place for place in places)


def _names(data: Mapping[str, Any]) -> Sequence[str]:
    """The character's names and their parts as they may stand in the text, the longest first."""
    found: set[str] = set()
    for key in ("name", "nickname"):
        name = folded(str(data.get(key) or "")).strip()
        if len(name) >= _SHORTEST_NAME:
            found.add(name)
        found |= {part for part in re.split(r"[\s·・,.()\[\]-]+", name) if len(part) >= _SHORTEST_PART}
    return sorted(found, key=lambda name: (-len(name), name))


def _grams(text: str) -> npt.NDArray[np.uint64]:
    """The distinct 5-grams of a text, each as a well-mixed 64-bit number."""
    points = np.frombuffer(text.encode("utf-32-le", errors="replace"), "<u4").astype(np.uint64)
    if len(points) < GRAM:
        return np.empty(0, dtype=np.uint64)
    hashed = np.zeros(len(points) - GRAM + 1, dtype=np.uint64)
    for place in range(GRAM):
        hashed = hashed * _BASE + points[place : len(points) - GRAM + 1 + place]
    # As MurmurHash3 ends: neighbours must not stay neighbours.
    hashed ^= hashed >> _SHIFT
    hashed *= _MIX
    hashed ^= hashed >> _SHIFT
    return np.unique(hashed)
