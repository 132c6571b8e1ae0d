"""The quick way of reading JSON says what the slow one says."""

import json

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from studio.kit import exact_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_what_was_written_is_read(value: object, is_ascii: bool) -> None:
    written = json.dumps(value, ensure_ascii=is_ascii)
    assert repr(exact_json.loads(written)) == repr(json.loads(written))
    if is_ascii:
        assert repr(exact_json.loads(written.encode())) == repr(json.loads(written))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**40, 12345678901234567890123456789])
def test_whole_numbers_of_any_length_come_back_from_postgresql(session: Session, number: int) -> None:
    assert session.scalar(sa.select(sa.cast({"n": number}, JSONB))) == {"n": number}


def test_a_cut_off_text_is_refused_as_ever() -> None:
    with pytest.raises(json.JSONDecodeError):
        exact_json.loads('{"a": 1')
