"""The desk's figures are what a person would count by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from studio.kit.errors import ForbiddenError
from studio.market.catalogue import cases
from studio.market.models import Appeal, AppealState, CaseState, CharacterPublication
from studio.market.review import beside, claims, decisions, figures
from studio.market.review.rules import AT_ONCE, Reason
from tests.factories.market import make_appeal, make_claimed_case, make_live_listing, make_waiting_case

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def decide(session, owner, moderator, *, opened, decided, reasons=()):
    case = make_claimed_case(session, owner=owner, moderator=moderator, now=opened)
    claims.claim(session, actor=moderator, case_id=case.id, now=decided)
    content_hash = session.get_one(CharacterPublication, case.publication_id).content_hash
    given = {"actor": moderator, "case_id": case.id, "content_hash": content_hash, "now": decided}
    if reasons:
        return decisions.reject(session, reasons=[Reason(code, "", "") for code in reasons], **given, hold=AT_ONCE)
    return decisions.approve(session, **given, hold=AT_ONCE)


class TestRead:
    def test_counts_nothing_on_the_first_day(self, session, moderator):
        read = figures.read(session, actor=moderator, now=NOW)
        assert (read.waiting.count, read.waiting.p50, read.overdue, read.taken.count) == (0, None, 0, 0)
        assert read.appeals.share is None
        assert len(read.days) == 31

    def test_tells_ages_and_what_is_overdue(self, session, creator, moderator):
        for hours in (2, 4, 6, 8, 200):
            make_waiting_case(session, owner=creator, now=NOW - timedelta(hours=hours))
        read = figures.read(session, actor=moderator, now=NOW)
        assert read.waiting.count == 5
        assert read.waiting.p50 == timedelta(hours=6)
        # Linear between the fourth and the fifth of five: 8 + 0.6 * 192.
        assert read.waiting.p90 is not None
        assert abs(read.waiting.p90 - timedelta(hours=123.2)) < timedelta(minutes=1)
        assert read.overdue == 1

    def test_counts_takedowns_and_appeals_that_wait(self, session, creator, moderator, other_moderator):
        then = NOW - timedelta(days=20)
        make_appeal(session, owner=creator, moderator=moderator, now=then)
        live = make_live_listing(session, owner=creator, moderator=other_moderator, now=then)
        case = cases.open_case(session, live, actor=moderator, now=then)
        case.state = CaseState.WAITING
        session.flush()
        given = {"actor": moderator, "case_id": case.id, "now": then}
        claims.claim(session, **given)
        decisions.take_down(
            session, **given, content_hash=live.content_hash, reasons=[Reason("spam")], is_severe=True
        )  # fmt: skip
        read = figures.read(session, actor=moderator, now=NOW)
        assert (read.waiting.count, read.overdue) == (2, 2)
        assert read.waiting.p50 == timedelta(days=20)
        found = beside.list_beside(session, actor=other_moderator)
        assert {(one.kind, one.is_for_actor) for one in found} == {("takedown", True), ("appeal", True)}
        assert not any(one.is_for_actor for one in beside.list_beside(session, actor=moderator))
        assert all(one.due_at < NOW for one in found)

    def test_tells_decisions_by_time_day_reason_and_appeal(self, session, creator, moderator, other_moderator):
        yesterday = NOW - timedelta(days=1)
        decide(session, creator, moderator, opened=yesterday - timedelta(hours=1), decided=yesterday)
        decide(session, creator, moderator, opened=NOW - timedelta(hours=3), decided=NOW, reasons=["spam"])
        wrong = decide(
            session,
            creator,
            other_moderator,
            opened=NOW - timedelta(days=8),
            decided=NOW,
            reasons=["spam", "real_person"],
        )
        decide(
            session,
            creator,
            moderator,
            opened=NOW - timedelta(days=41),
            decided=NOW - timedelta(days=40),
            reasons=["spam"],
        )
        session.add(
            Appeal(
                decision_id=wrong.id,
                appellant_id=creator.user_id,
                text="It is a name from a novel.",
                state=AppealState.UPHELD,
                created_at=NOW,
                decided_by_id=moderator.user_id,
                decided_at=NOW,
            )
        )
        session.flush()
        read = figures.read(session, actor=moderator, now=NOW)
        assert (read.approved, read.rejected, read.decided_late) == (1, 2, 1)
        assert read.taken.p50 == timedelta(hours=3)
        assert {reason.code: count for reason, count in read.reasons} == {"spam": 2, "real_person": 1}
        assert [(day.approved, day.rejected) for day in read.days[-2:]] == [(1, 0), (0, 2)]
        assert read.moderators == {moderator.name: 2, other_moderator.name: 1}
        assert (read.appeals.made, read.appeals.overturned, read.appeals.share) == (1, 1, 1.0)
        assert figures.read(session, actor=moderator, now=NOW, days=90).rejected == 3

    def test_is_not_for_creators(self, session, creator):
        with pytest.raises(ForbiddenError):
            figures.read(session, actor=creator, now=NOW)
