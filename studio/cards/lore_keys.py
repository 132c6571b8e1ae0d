"""The keys of a lorebook: literal words, and patterns that run on RE2 and so cannot stall anybody.

A key is a pattern only where its entry has `use_regex` and the key is written `/body/flags`; every other key is a
literal. JavaScript's patterns are put into RE2's words where RE2 can say them; one that it cannot (it looks around
or refers back to a group) is kept, marked and never run.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

import re2

PATTERN_LENGTH = 1_000
"""A longer pattern is not run."""

_PROGRAM_SIZE = 3_000
_WRITTEN = re.compile(r"/((?:[^/\\]|\\.)+)/([a-z]*)\Z", re.DOTALL)
_FLAGS = frozenset("dgimsuvy")
# What JavaScript's `\s` knows and RE2's does not; the wide space of Chinese texts is among it.
_SPACES = r"\s\x0b\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}"
_ESCAPE = re.compile(
    r"\\(?:u\{(?P<long>[0-9A-Fa-f]{1,6})\}|u(?P<pair>[Dd][89ABab]..\\u[Dd][C-Fc-f]..)|u(?P<short>[0-9A-Fa-f]{4})"
    r"|(?P<hex>x[0-9A-Fa-f]{2})|(?P<property>[pP]\{[^{}]{1,40}\})|(?P<one>.))",
    re.DOTALL,
)
# What an escaped character becomes.
_ANYWHERE = {one: f"\\{one}" for one in "dDwWfnrt"} | {"0": r"\x00", "v": r"\x0b"}
_IN_CLASS = {"s": _SPACES, "S": r"\S", "b": r"\x08"}
_OUTSIDE = {"s": f"[{_SPACES}]", "S": f"[^{_SPACES}]", "b": r"\b", "B": r"\B"}
_IDEOGRAPH = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")


class KeyProblem(StrEnum):
    """Why a pattern is not run."""

    LOOKS_AROUND = "looks_around"
    REFERS_BACK = "refers_back"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One key as it is looked for, compared by identity.

    `folded` is what a literal is compared by. A pattern has `flags`, and `problem` where it is not run.
    """

    text: str
    folded: str
    is_pattern: bool = False
    is_exact: bool = False
    is_whole: bool = False
    problem: KeyProblem | None = None
    program: Any = field(default=None, repr=False)
    cost: int = 1
    """Steps per character of text, at most."""
    is_anchored: bool = False
    """Whether the pattern may mean the beginning or the end of a message."""


def written_pattern(text: str) -> tuple[str, str] | None:
    """Body and flags of a text that is written `/body/flags`; None where it is a literal."""
    match = _WRITTEN.match(text)
    if match is None or not set(match[2]) <= _FLAGS or len(set(match[2])) != len(match[2]):
        return None
    return match[1], match[2]


def read_key(text: str, *, may_be_pattern: bool, is_exact: bool = False, is_whole: bool = False) -> Key | None:
    """The key that a person wrote; None where it is empty.

    `is_exact` asks for the same letters, upper and lower; `is_whole` for whole words, which means nothing beside a
    character of a script without spaces (Chinese, Japanese, Korean, Thai, Lao). A pattern's own flags decide for it.
    """
    text = text.strip()
    if not text:
        return None
    written = written_pattern(text) if may_be_pattern else None
    if written is not None:
        return _pattern(text, *written)
    return Key(text, text if is_exact else fold(text), is_exact=is_exact, is_whole=is_whole)


def fold(text: str) -> str:
    """The text in lower case, character by character, so that every position stays where it is."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def is_word(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` stands alone; beside a character of a script without spaces it always does."""
    return _is_edge(text, start, start - 1) and _is_edge(text, end - 1, end)


def _is_edge(text: str, inner: int, outer: int) -> bool:
    if not 0 <= outer < len(text):
        return True
    if not _is_letter(text[inner]) or not _is_letter(text[outer]):
        return True
    return _IDEOGRAPH.match(text[inner]) is not None or _IDEOGRAPH.match(text[outer]) is not None


def _is_letter(character: str) -> bool:
    return character.isalnum() or character == "_"


def refused(text: str, problem: KeyProblem) -> Key:
    """A pattern that is not run."""
    return Key(text, text, is_pattern=True, problem=problem)


@lru_cache(maxsize=128)
def _pattern(text: str, body: str, flags: str) -> Key:
    if len(body) > PATTERN_LENGTH:
        return refused(text, KeyProblem.TOO_LARGE)
    translated = _translated(body)
    if isinstance(translated, KeyProblem):
        return refused(text, translated)
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = 1 << 19
    options.case_sensitive = "i" not in flags
    options.dot_nl = "s" in flags
    multiline = "(?m)" if "m" in flags else ""
    try:
        program = re2.compile((multiline + translated).encode(), options)
    except re2.error as error:
        is_large = b"too large" in error.args[0] if error.args and isinstance(error.args[0], bytes) else False
        return refused(text, KeyProblem.TOO_LARGE if is_large else KeyProblem.INVALID)
    except UnicodeEncodeError:
        return refused(text, KeyProblem.INVALID)
    if program.programsize > _PROGRAM_SIZE:
        return refused(text, KeyProblem.TOO_LARGE)
    return Key(
        text,
        text,
        is_pattern=True,
        program=program,
        cost=max(1, program.programsize),
        is_anchored="^" in body or "$" in body,
    )


def _translated(body: str) -> str | KeyProblem:
    """The pattern in RE2's words, or why RE2 has none for it."""
    made: list[str] = []
    position, in_class = 0, False
    while position < len(body):
        character = body[position]
        if character == "\\":
            match = _ESCAPE.match(body, position)
            if match is None:
                return KeyProblem.INVALID
            escape = _escape(match, in_class=in_class)
            if isinstance(escape, KeyProblem):
                return escape
            made.append(escape)
            position = match.end()
            continue
        if in_class:
            made.append("\\[" if character == "[" else character)
            in_class = character != "]"
        elif body.startswith(("(?=", "(?!", "(?<=", "(?<!"), position):
            return KeyProblem.LOOKS_AROUND
        elif body.startswith("[^]", position):
            made.append(r"[\x00-\x{10ffff}]")
            position += 2
        elif body.startswith("[]", position):
            return KeyProblem.INVALID
        else:
            made.append(character)
            in_class = character == "["
        position += 1
    return "".join(made)


def _escape(match: re.Match[str], *, in_class: bool) -> str | KeyProblem:
    one = match["one"]
    if one is None:
        return _code_point(match)
    if one == "k" or (one in "123456789" and not in_class):
        return KeyProblem.REFERS_BACK
    special = (_IN_CLASS if in_class else _OUTSIDE).get(one) or _ANYWHERE.get(one)
    if special is not None:
        return special
    # Any other letter stands for itself in JavaScript, and for something else in RE2.
    return one if one.isalnum() or not one.isascii() else f"\\{one}"


def _code_point(match: re.Match[str]) -> str | KeyProblem:
    if match["hex"] or match["property"]:
        return match[0]
    if match["pair"]:
        try:
            character = bytes.fromhex(match["pair"][:4] + match["pair"][6:]).decode("utf-16-be")
        except ValueError:
            return KeyProblem.INVALID
        return f"\\x{{{ord(character):x}}}"
    code = int(match["long"] or match["short"], 16)
    is_character = code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF  # noqa: PLR2004
    return f"\\x{{{code:x}}}" if is_character else KeyProblem.INVALID
