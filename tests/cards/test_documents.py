"""What was parsed once is parsed the same way again, only sooner."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.cards.documents import parse_again, parse_document
from studio.cards.errors import CardError
from studio.cards.notes import Notebook

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\0", "\ud800", "\x01"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def outcome(parse: object, payload: bytes) -> str:
    """What came of it, floats and whole numbers told apart."""
    try:
        return repr(parse(payload))  # type: ignore[operator]
    except CardError as error:
        return f"{type(error).__name__}: {error}"


def first(payload: bytes) -> object:
    return parse_document(payload, Notebook())


@given(st.dictionaries(st.text(max_size=8), _VALUES, max_size=6), st.booleans())
def test_a_document_is_parsed_again_as_it_was_at_first(document: dict[str, object], is_ascii: bool) -> None:
    payload = json.dumps(document, ensure_ascii=is_ascii).encode(errors="surrogatepass")
    assert outcome(parse_again, payload) == outcome(first, payload)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a": 9223372036854775807, "b": 18446744073709551616, "c": -123456789012345678901234567890}',
        b'{"a": 1e400, "b": -0, "c": -0.0, "d": 1E5, "e": 0.1234567890123456789012}',
        b'{"a": 1, "a": 2}',
        b'\xef\xbb\xbf{"a": "\\u0000\\ud83d \\ud83d\\ude00"} \x00',
        b'{"a": "a raw\nline", "b": NaN, "c": Infinity}',
        '{"a": "名字"}'.encode("utf-16"),
        b"[1, 2]",
        b"rcc||secret",
        b'{"a": \xff}',
    ],
)
def test_odd_documents_are_parsed_again_as_they_were_at_first(payload: bytes) -> None:
    assert outcome(parse_again, payload) == outcome(first, payload)
