"""Sentences that were kept with their values filled in (why a job failed), told again in the reader's language."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flask_babel import get_locale, get_translations

_PLACE = re.compile(r"%\((\w+)\)([sd])|%%")
_LEAST_SAID = 16
"""Signs that a sentence has beside its values, so that it cannot be taken for another."""

_MOST_KEPT = 2_000


def told_again(sentence: str) -> str:
    """The sentence in the reader's language, with its values; as it is where nobody said it in that language."""
    sentences = _sentences()
    if not sentence or not sentences:
        return sentence
    plain = sentences.get(sentence)
    return plain if isinstance(plain, str) and plain else _found(str(get_locale()), sentence)


def _sentences() -> Mapping[Any, Any]:
    # What gettext keeps by the English sentence; there is no public way to look through it.
    return getattr(get_translations(), "_catalog", {})


@lru_cache(maxsize=_MOST_KEPT)
def _found(locale: str, sentence: str) -> str:
    for beginning, pattern, translation in _patterns(locale):
        if sentence.startswith(beginning) and (match := pattern.fullmatch(sentence)):
            return _filled(translation, match.groupdict())
    return sentence


@lru_cache(maxsize=8)
def _patterns(_locale: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """Every sentence with values: what stands before the first, its pattern and its translation; who says most comes first."""
    found = []
    for said, translation in _sentences().items():
        if not isinstance(said, str) or not isinstance(translation, str) or not translation:
            continue
        first = _PLACE.search(said)
        length = len(_PLACE.sub("", said))
        if first is not None and length >= _LEAST_SAID:
            found.append((length, said[: first.start()], _pattern(said), translation))
    return tuple(one[1:] for one in sorted(found, key=lambda one: -one[0]))


def _pattern(said: str) -> re.Pattern[str]:
    parts, seen, end = [], set(), 0
    for place in _PLACE.finditer(said):
        parts.append(re.escape(said[end : place.start()]))
        end = place.end()
        name = place[1]
        if name is None:
            parts.append("%")
        elif name in seen:
            parts.append(f"(?P={name})")
        else:
            seen.add(name)
            parts.append(rf"(?P<{name}>-?\d+)" if place[2] == "d" else rf"(?P<{name}>.+?)")
    return re.compile("".join([*parts, re.escape(said[end:])]), re.DOTALL)


def _filled(translation: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: "%" if place[1] is None else values.get(place[1], place[0]), translation)
