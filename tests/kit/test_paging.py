"""Keyset paging visits every row once, forwards and backwards, in any order of keys."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.kit.paging import BadCursorError, Key, after, capped_count, decode_cursor, encode_cursor
from studio.work.models import JobRun

KEYS = [Key(JobRun.created_at, descending=True), Key(JobRun.id, descending=True)]


class TestCursor:
    @given(st.datetimes(timezones=st.just(UTC)), st.uuids())
    def test_comes_back_as_it_was(self, moment, identity):
        assert decode_cursor(encode_cursor([moment, identity]), KEYS) == [moment, identity]

    @given(st.text(max_size=80))
    def test_refuses_what_it_did_not_make(self, text):
        with pytest.raises(BadCursorError):
            decode_cursor(text, KEYS)

    def test_refuses_a_naive_time(self):
        cursor = encode_cursor([datetime(2026, 1, 1), "x"])  # noqa: DTZ001 - naive on purpose.
        with pytest.raises(BadCursorError):
            decode_cursor(cursor, KEYS)


@pytest.fixture
def table(session):
    session.execute(sa.text("CREATE TEMPORARY TABLE things (id integer PRIMARY KEY, a integer, b text NOT NULL)"))
    return sa.table("things", sa.column("id", sa.Integer()), sa.column("a", sa.Integer()), sa.column("b", sa.Text()))


class TestAfter:
    @given(
        rows=st.lists(st.tuples(st.none() | st.integers(0, 3), st.sampled_from("xyz")), max_size=14),
        size=st.integers(1, 4),
        ways=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    )
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_visits_every_row_once_in_order(self, session, table, rows, size, ways):
        session.execute(sa.delete(table))
        if rows:
            session.execute(sa.insert(table), [{"id": i, "a": a, "b": b} for i, (a, b) in enumerate(rows)])
        keys = [
            Key(table.c.a, descending=ways[0], nullable=True),
            Key(table.c.b, descending=ways[1]),
            Key(table.c.id, descending=ways[2]),
        ]
        base = sa.select(table.c.a, table.c.b, table.c.id)
        whole = [tuple(row) for row in session.execute(base.order_by(*(key.order() for key in keys)))]
        seen = []
        query = base
        while page := session.execute(query.order_by(*(key.order() for key in keys)).limit(size)).all():
            seen += [tuple(row) for row in page]
            query = base.where(after(keys, decode_cursor(encode_cursor(list(page[-1])), keys)))
        assert seen == whole
        if whole:
            before = session.execute(base.where(after(keys, list(whole[-1]), backwards=True))).all()
            assert len(before) == len(whole) - 1


class TestCappedCount:
    def test_stops_at_the_cap_and_says_so(self, session, table):
        session.execute(sa.insert(table), [{"id": i, "a": i, "b": "x"} for i in range(7)])
        query = sa.select(table.c.id).order_by(table.c.id)
        assert capped_count(session, query, cap=5) == (5, True)
        assert capped_count(session, query, cap=7) == (7, False)
