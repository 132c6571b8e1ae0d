"""JSON in and out: bounded before it is parsed, storable in PostgreSQL afterwards."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from studio.cards import limits
from studio.cards.errors import DamagedError, EncryptedError, NotACardError, TooLargeError
from studio.cards.notes import Notebook
from studio.kit import exact_json

Json = dict[str, Any]

# One match per string or structural character. An unterminated string matches to the end, so that the scan stays
# linear on hostile input; possessive quantifiers forbid it to go back.
_STRUCTURE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
# Escapes that may yield a character that PostgreSQL refuses: NUL, or one half of a surrogate pair.
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|\x00")
# Values that are their own copy, whatever they hold.
_PLAIN = frozenset({bool, int, type(None)})
_SCALARS = _PLAIN | {str, float}
_EXACT_WHOLE_NUMBERS = 2**53
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse_document(payload: bytes, notes: Notebook) -> Json:
    """The JSON object in `payload`, with control characters in strings accepted and a BOM dropped.

    Of duplicate keys the last wins. NUL is removed and half a surrogate pair becomes U+FFFD, since PostgreSQL
    can store neither; numbers that no program can hold become text. Each leaves a repair in `notes`.
    Raises TooLargeError, DamagedError (not UTF-8, not JSON), EncryptedError, NotACardError (no object).
    """
    document = parse_json(payload, notes)
    if not isinstance(document, dict):
        raise no_object(document)
    return document


def parse_again(payload: bytes) -> Json:
    """What `parse_document` made of the same bytes before, sooner and without its notes.

    What that refused may pass here or be refused with another sentence: stored bytes were parsed once.
    """
    if len(payload) <= limits.JSON_BYTES and exact_json.reads_alike(payload):
        try:
            document = orjson.loads(payload)
        except orjson.JSONDecodeError:
            pass
        else:
            if isinstance(document, dict):
                return document
    return parse_document(payload, Notebook())


def no_object(value: Any) -> NotACardError:
    """What to say of a file that holds a list or a single value where a card would be one object."""
    if isinstance(value, list) and value and all(isinstance(one, dict) and "worldInfos" in one for one in value):
        return NotACardError(
            "These are several TavernAI Plus scenarios, not characters: copy their world information into the "
            "lorebooks of the characters that they are for."
        )
    return NotACardError("This file holds a list or a single value, not a character card; a card is one JSON object.")


def parse_json(payload: bytes, notes: Notebook) -> Any:
    """Any JSON value, under the same rules as `parse_document`."""
    if len(payload) > limits.JSON_BYTES:
        raise TooLargeError(
            "The card's text has more than %(limit)s MB; shorten it, or take pictures out of it.",
            limit=limits.JSON_BYTES // limits.MB,
        )
    text = _decode(payload).strip("\ufeff\x00 \t\r\n")
    if text.startswith("rcc||"):
        raise EncryptedError("This is an encrypted Risu card; export it from Risu without encryption.")
    check_structure(text)
    try:
        document = _loads(text, notes)
    except RecursionError:
        raise _too_deep() from None
    check_depth(document)
    if ("\\u" in text or "\0" in text) and _SUSPECT.search(text):
        document = storable(document, notes)
    return document


def storable(value: Any, notes: Notebook | None = None) -> Any:
    """A deep copy that PostgreSQL's text and jsonb can hold; repeating it changes nothing.

    Raises TooLargeError where values are nested deeper than any reading allows.
    """
    return _storable(value, notes, "", 0) if notes is not None else _stored(value, 0)


def _stored(value: Any, depth: int) -> Any:
    """As `_storable` without notes, and so without the paths that they would name."""
    if type(value) is str:
        return clean_text(value)
    if depth > limits.JSON_DEPTH:
        raise _too_deep()
    if isinstance(value, Mapping):
        return {
            clean_text(str(key)): item if type(item) in _PLAIN else _stored(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [item if type(item) in _PLAIN else _stored(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return clean_text(value) if isinstance(value, str) else value


def _storable(value: Any, notes: Notebook | None, path: str, depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value, notes, path)
    if depth > limits.JSON_DEPTH:
        raise _too_deep()
    if isinstance(value, Mapping):
        return {
            clean_text(str(key), notes, path): _storable(item, notes, f"{path}.{key}" if path else str(key), depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_storable(item, notes, f"{path}[*]", depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def dump_document(document: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    """The document as UTF-8 JSON in its own key order, readable Chinese included; `indent` is None or 2."""
    try:
        return orjson.dumps(document, option=None if indent is None else orjson.OPT_INDENT_2)
    except orjson.JSONEncodeError:
        # Whole numbers beyond 64 bits, which cards may hold, and what is refused below with its name.
        separators = (",", ":") if indent is None else (",", ": ")
        return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators).encode()


def canonical(value: Any) -> bytes:
    """Equal bytes for equal content: keys sorted, no spaces, 1.0 written as 1."""
    plain = _plain_numbers(value)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def copy_json(value: Any) -> Any:
    """A deep copy of JSON values, several times quicker than copy.deepcopy."""
    if isinstance(value, dict):
        return {key: item if type(item) in _SCALARS else copy_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [item if type(item) in _SCALARS else copy_json(item) for item in value]
    return value


def _decode(payload: bytes) -> str:
    encoding = "utf-16" if payload[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        return payload.decode(encoding)
    except UnicodeDecodeError as error:
        raise DamagedError(
            "The card's text is not valid UTF-8 at byte %(byte)s; save it as UTF-8 and try again.", byte=error.start
        ) from None


def _too_deep() -> TooLargeError:
    return TooLargeError(
        "The card's JSON is nested deeper than %(limit)s levels; no real card is.", limit=limits.JSON_DEPTH
    )


def check_structure(written: str | bytes) -> None:
    """Raises TooLargeError where parsing this JSON would build too many values; parses nothing."""
    # Every value but the first has a comma or an opening bracket before it, so few of these are proof enough.
    marks: tuple[Any, ...] = (",", "[", "{") if isinstance(written, str) else (b",", b"[", b"{")
    if sum(written.count(mark) for mark in marks) <= limits.JSON_VALUES:
        return
    text = written if isinstance(written, str) else written.decode()
    values = 0
    for match in _STRUCTURE.finditer(text):
        values += text[match.start()] in "[{,"
        if values > limits.JSON_VALUES:
            raise TooLargeError("The card's JSON has more than %(limit)s values.", limit=limits.JSON_VALUES)


def check_depth(value: Any) -> None:
    """Raises TooLargeError where objects and lists stand in each other deeper than any card's."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limits.JSON_DEPTH):
        level = [
            item
            for holder in level
            for item in (holder.values() if isinstance(holder, dict) else holder)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return
    raise _too_deep()


def _loads(text: str, notes: Notebook) -> Any:
    def number_as_text(number: str) -> str:
        notes.repair("number_as_text", "", "A number that no program can hold was kept as text.")
        return number

    def parse_int(number: str) -> int | str:
        return int(number) if len(number) <= limits.NUMBER_DIGITS else number_as_text(number)

    def parse_float(number: str) -> float | str:
        parsed = float(number)
        return parsed if math.isfinite(parsed) else number_as_text(number)

    def pairs(members: list[tuple[str, Any]]) -> Json:
        found = dict(members)
        if len(found) != len(members):
            notes.warn("duplicate_key", "", "An object names the same key twice; the last value counts.")
        return found

    try:
        return json.loads(
            text,
            strict=False,
            parse_int=parse_int,
            parse_float=parse_float,
            parse_constant=number_as_text,
            object_pairs_hook=pairs,
        )
    except json.JSONDecodeError as error:
        raise DamagedError(
            "This is neither a card picture nor valid JSON (line %(line)s, column %(column)s); "
            "give a PNG, JSON or CHARX card.",
            line=error.lineno,
            column=error.colno,
        ) from None


def clean_text(text: str, notes: Notebook | None = None, path: str = "") -> str:
    """The text without NUL and half surrogate pairs, which PostgreSQL refuses; a change is noted at `path`."""
    if "\0" not in text and _is_whole(text):
        return text
    if notes is not None:
        notes.repair("unstorable_character", path, "A character that cannot be stored was replaced or removed.")
    return _UNSTORABLE.sub(lambda match: "" if match.group() == "\x00" else "\ufffd", text)


def _is_whole(text: str) -> bool:
    """Whether no half of a surrogate pair stands in the text; the encoder looks ten times as quickly as a pattern."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    # Beyond 2**53 a double no longer stands for one whole number, so it keeps its own spelling.
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_WHOLE_NUMBERS:
        return int(value)
    return value
