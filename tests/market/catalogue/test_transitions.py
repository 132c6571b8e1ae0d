"""The table of steps, in Python and in PostgreSQL."""

from itertools import product

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from studio.market.catalogue import transitions
from studio.market.catalogue.errors import StepImpossibleError
from studio.market.catalogue.transitions import STEPS, Step
from studio.market.models import CharacterPublication, PublicationStatus
from tests.factories.market import make_listing

S = PublicationStatus
DATES = """
UPDATE character_publications SET status = CAST(:status AS text),
    published_at = now() + interval '1 year', submitted_at = now() - interval '1 year', publish_at = now(),
    ended_at = CASE WHEN CAST(:status AS text) IN ('changes_requested', 'rejected', 'withdrawn', 'taken_down') THEN now() END,
    quarantined_at = CASE WHEN CAST(:status AS text) = 'quarantined' THEN now() END,
    quarantined_from = CASE WHEN CAST(:status AS text) = 'quarantined' THEN 'approved' END
WHERE id = :id
"""


class TestTheTable:
    def test_is_what_postgresql_holds(self, session, creator, now):
        """Every pair of states is tried with plain SQL; exactly those of the table go through."""
        listing = make_listing(session, owner=creator, now=now)
        allowed = set()
        for before, after in product(S, S):
            # Triggers are off while the listing is put where the step begins.
            session.execute(sa.text("SET LOCAL session_replication_role = 'replica'"))
            session.execute(sa.text(DATES), {"status": before.value, "id": listing.id})
            session.execute(sa.text("SET LOCAL session_replication_role = 'origin'"))
            try:
                with session.begin_nested():
                    session.execute(sa.text(DATES), {"status": after.value, "id": listing.id})
                allowed.add((before, after))
            except sa.exc.IntegrityError as error:
                assert "cannot go from" in str(error)  # noqa: PT017 - Most of the hundred pairs are refused.
        assert {(a, b) for a, b in allowed if a is not b} == transitions.pairs()

    def test_ends_where_it_says(self):
        leads_on = {before for before, _ in transitions.pairs()}
        assert set(S) - leads_on == {S.WITHDRAWN}

    @given(before=st.sampled_from(S), step=st.sampled_from(Step), to=st.none() | st.sampled_from(S))
    def test_sets_the_dates_that_the_state_needs_or_changes_nothing(self, now_for_rules, before, step, to):
        listing = CharacterPublication(status=before, published_at=None)
        targets = STEPS[step].get(before, frozenset())
        try:
            assert transitions.apply(listing, step, now=now_for_rules, to=to) is before
        except StepImpossibleError:
            assert listing.status is before
            assert to not in targets
            assert to is not None or len(targets) != 1
            return
        assert listing.status in targets
        assert (listing.ended_at is not None) == (listing.status in transitions.ENDED)
        assert (listing.quarantined_from is before) == (listing.status is S.QUARANTINED)
        assert (listing.quarantined_at is None) == (listing.status is not S.QUARANTINED)
        assert listing.status is not S.APPROVED or listing.published_at is not None


@pytest.fixture(scope="module")
def now_for_rules():
    from datetime import UTC, datetime

    return datetime(2026, 11, 23, 9, tzinfo=UTC)


class TestChecks:
    """What PostgreSQL refuses of a listing's dates, whoever writes."""

    @pytest.mark.parametrize(
        ("values", "constraint"),
        [
            ("status = 'approved'", "approved_has_published_at"),
            ("status = 'scheduled'", "scheduled_has_publish_at"),
            ("status = 'rejected'", "ended_goes_with_ended_at"),
            ("status = 'withdrawn'", "ended_goes_with_ended_at"),
            ("ended_at = now()", "ended_goes_with_ended_at"),
            ("status = 'quarantined'", "quarantined_goes_with_what_was_before"),
            ("quarantined_at = now()", "quarantined_goes_with_what_was_before"),
            ("quarantined_from = 'withdrawn'", "quarantined"),
            ("submitted_at = NULL", "submitted_has_submitted_at"),
            ("published_at = submitted_at - interval '1 second'", "published_after_it_was_submitted"),
            ("featured_until = now()", "featured_was_published"),
            ("notice = 'sold'", "notice_goes_with_noticed_at"),
            ("notice = 'nonsense', noticed_at = now()", "notice"),
            ("status = 'taken_down', ended_at = now()", "cannot go from pending to taken_down"),
            ("status = 'unlisted', published_at = now() + interval '1 year'", "cannot go from pending to unlisted"),
        ],
    )
    def test_hold(self, session, creator, now, values, constraint):
        listing = make_listing(session, owner=creator, now=now)
        with pytest.raises(sa.exc.IntegrityError, match=constraint):
            session.execute(
                sa.text(f"UPDATE character_publications SET {values} WHERE id = :id"),
                {"id": listing.id},
            )
