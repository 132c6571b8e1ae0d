"""A card as others need it: every string for screening, one text for embedding."""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from studio.cards import macros
from studio.cards.documents import Json
from studio.cards.normalise import normalise

_KEY_MARK = "~key"
_SCRIPT = re.compile(r"<(script|style)\b[^>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
# Lengths are bounded so that a text of nothing but brackets stays linear.
_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\n]{0,2000}\)")
_MARKS = re.compile(r"(?m)^[ \t]{0,3}(?:#{1,6}\s+|>\s?|[-*_]{3,}[ \t]*$)|[*_~`]{1,3}")


def text_strings(document: Mapping[str, Any] | list[Any]) -> Iterator[tuple[str, str]]:
    """Every string at every level with its path, keys included (their path ends in `~key`), in document order.

    Works on any JSON: give it the stored original, so that nothing hides from screening in a key or at the root.
    """
    yield from _strings(document, "")


def embedding_text(card: Mapping[str, Any], *, tagline: str = "") -> str:
    """What a character is about, as plain text: name, tagline, tags, description, personality, scenario.

    Macros stand for the name and a neutral "user", markup is gone. Prompts, examples and greetings are left out,
    since they are alike across cards and would dominate the vector. `card` is a stored or a normalised card.
    """
    data: Json = normalise(dict(card)).card["data"]
    char = macros.display_name(data)
    parts = [
        data["name"],
        tagline,
        ", ".join(data["tags"]),
        *(macros.render(data[key], char=char, user="user") for key in ("description", "personality", "scenario")),
    ]
    return "\n".join(plain for part in parts if (plain := plain_text(part)))


def plain_text(text: str) -> str:
    """The text without HTML and Markdown marks, its spaces and empty lines drawn together."""
    text = _SCRIPT.sub(" ", text)
    text = html.unescape(_TAG.sub(" ", text))
    text = _MARKS.sub("", _LINK.sub(r"\1", text))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            inner = f"{path}.{key}" if path else str(key)
            yield inner + _KEY_MARK, str(key)
            yield from _strings(item, inner)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}[{index}]")
