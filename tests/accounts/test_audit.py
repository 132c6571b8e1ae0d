"""What the audit log keeps, and what it never keeps."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from studio.accounts import audit, queries, rules
from studio.accounts.models import AuditEntry, UserStatus
from studio.accounts.permissions import NOBODY, SYSTEM, RoleName
from studio.kit.context import request_id
from tests.factories.accounts import make_actor

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes() | st.uuids(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def kept(session, entry):
    session.flush()
    session.expire(entry)
    return entry


class TestRecord:
    def test_says_who_what_which_when_and_in_which_request(self, session):
        actor, row = make_actor(session, RoleName.CREATOR), uuid4()
        token = request_id.set("req-1")
        try:
            entry = audit.record(
                session, actor=actor, action="character.update", resource="character", resource_id=row,
                before={"name": "A"}, after={"name": "B"}, reason="A typo",
            )  # fmt: skip
        finally:
            request_id.reset(token)
        entry = kept(session, entry)
        assert (entry.actor_id, entry.actor_name) == (actor.user_id, actor.name)
        assert (entry.before, entry.after, entry.reason) == ({"name": "A"}, {"name": "B"}, "A typo")
        assert (entry.resource_id, entry.request_id) == (row, "req-1")
        assert entry.created_at.tzinfo is not None

    def test_keeps_no_secret_at_any_depth(self, session):
        secret = "hunter2-hunter2"
        values = {
            "password": secret,
            "api_key": secret,
            "settings": {"embeddings": {"Authorization": [secret]}},
            "tf_totp_secret": secret,
            "has_password": True,
        }
        entry = kept(
            session, audit.record(session, actor=SYSTEM, action="x.y", resource="x", resource_id=None, after=values)
        )
        assert secret not in json.dumps(entry.after)
        assert entry.after["has_password"] is True

    def test_cuts_a_long_text_to_excerpt_length_and_hash(self, session):
        text = "很长的描述 " * 400
        entry = kept(
            session,
            audit.record(session, actor=SYSTEM, action="x.y", resource="x", resource_id=None, after={"text": text}),
        )
        assert set(entry.after["text"]) == {"excerpt", "length", "sha256"}
        assert entry.after["text"]["length"] == len(text)
        assert len(entry.after["text"]["excerpt"]) <= 200

    def test_keeps_moments_amounts_and_states_as_text(self, session):
        values = {"at": datetime(2026, 1, 2, tzinfo=UTC), "price": Decimal("4.99"), "status": UserStatus.ACTIVE}
        entry = kept(
            session, audit.record(session, actor=SYSTEM, action="x.y", resource="x", resource_id=None, after=values)
        )
        assert entry.after == {"at": "2026-01-02T00:00:00+00:00", "price": "4.99", "status": "active"}

    @given(values=st.dictionaries(st.text(), ANYTHING, max_size=5))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_takes_whatever_it_is_given(self, session, values):
        with session.begin_nested():
            entry = audit.record(session, actor=SYSTEM, action="x.y", resource="x", resource_id=None, after=values)
        assert len(json.dumps(entry.after)) < 2_000_000

    def test_postgresql_refuses_to_change_or_delete_an_entry(self, session):
        entry = kept(session, audit.record(session, actor=SYSTEM, action="x.y", resource="x", resource_id=None))
        for statement in (
            sa.update(AuditEntry).where(AuditEntry.id == entry.id).values(action="z"),
            sa.delete(AuditEntry).where(AuditEntry.id == entry.id),
        ):
            with pytest.raises(DBAPIError), session.begin_nested():
                session.execute(statement)


class TestRecordChanges:
    def test_keeps_only_what_differs(self, session):
        entry = audit.record_changes(
            session, actor=SYSTEM, action="x.y", resource="x", resource_id=None,
            before={"a": 1, "b": 2, "gone": 3}, after={"a": 1, "b": 5, "new": 4},
        )  # fmt: skip
        assert (entry.before, entry.after) == ({"b": 2, "gone": 3}, {"b": 5, "new": 4})

    def test_writes_nothing_where_nothing_differs(self, session):
        assert (
            audit.record_changes(
                session, actor=SYSTEM, action="x.y", resource="x", resource_id=None, before={"a": 1}, after={"a": 1}
            )
            is None
        )


class TestFingerprint:
    def test_tells_two_texts_apart_without_their_words(self):
        one, two = rules.fingerprint("a secret story"), rules.fingerprint("a secret stork")
        assert one != two
        assert "story" not in json.dumps(one)


class TestAuditEntryVisibleTo:
    @pytest.mark.parametrize(
        ("role", "sees"),
        [(RoleName.CREATOR, 0), (RoleName.MODERATOR, 0), (RoleName.STAFF, 1), (RoleName.ADMIN, 1)],
    )
    def test_is_staffs_and_admins(self, session, role, sees):
        row = uuid4()
        audit.record(session, actor=SYSTEM, action="x.y", resource="x", resource_id=row)
        actor = make_actor(session, role)
        assert len(queries.list_audit_entries(session, actor=actor, resource="x", resource_id=row)) == sees
        assert queries.list_audit_entries(session, actor=NOBODY, resource="x", resource_id=row) == []
