"""Appeals: one for each decision, within 184 days, answered by somebody who took no part in it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring.models import Character
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.market.catalogue import cases, flags, records
from studio.market.models import (
    Appeal,
    AppealState,
    CaseState,
    CharacterPublication,
    FlagKind,
    Notice,
    PublicationStatus,
    ReviewDecision,
)
from studio.market.review import appeals, claims, decisions, queue
from studio.market.review.errors import (
    AnswerInvalidError,
    AppealClosedError,
    AppealedAlreadyError,
    AppealInvalidError,
    AppealOwnDecisionError,
    NotAppealableError,
    OverturnedError,
)
from studio.market.review.rules import AT_ONCE, Reason
from tests.factories.accounts import make_actor
from tests.factories.market import (
    case_of,
    make_appeal,
    make_listing,
    make_live_listing,
    make_sent_back,
)
from tests.threads import at_once

S = PublicationStatus
WORDS = "The greeting answers that already."


@pytest.fixture
def rejected(session, creator, moderator, now):
    return make_sent_back(session, owner=creator, moderator=moderator, now=now, decide=decisions.reject)


@pytest.fixture
def taken_down(session, creator, moderator, now):
    live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
    case = cases.open_case(session, live, actor=moderator, now=now)
    case.state = CaseState.WAITING
    session.flush()
    given = {"actor": moderator, "case_id": case.id, "now": now}
    claims.claim(session, **given)
    decisions.take_down(session, **given, content_hash=live.content_hash, reasons=[Reason("spam")], hold=AT_ONCE)
    return live


def decision_on(session, publication):
    return session.scalars(
        sa.select(ReviewDecision)
        .where(ReviewDecision.case_id == case_of(session, publication).id)
        .execution_options(populate_existing=True)
    ).one()


def make(session, actor, publication, now, text=WORDS):
    return appeals.appeal(session, actor=actor, publication_id=publication.id, text=text, now=now)


def answer(session, actor, row, now, *, upholds, text="We read it again."):
    return appeals.answer(session, actor=actor, appeal_id=row.id, upholds=upholds, text=text, now=now)


class TestAppeal:
    def test_waits_for_an_answer_and_flags_the_listing(self, session, rejected, creator, now):
        row = make(session, creator, rejected, now)
        assert (row.state, row.text, row.decision_id) == (AppealState.OPEN, WORDS, decision_on(session, rejected).id)
        [flag] = [
            flag
            for flag in flags.list_open(session, publication_ids=[rejected.id])[rejected.id]
            if flag.kind is FlagKind.APPEAL
        ]
        assert flag.created_at == now

    def test_is_made_once(self, session, rejected, creator, now):
        make(session, creator, rejected, now)
        with pytest.raises(AppealedAlreadyError):
            make(session, creator, rejected, now)

    @pytest.mark.parametrize(("days", "is_possible"), [(184, True), (185, False)])
    def test_has_184_days(self, session, rejected, creator, now, days, is_possible):
        moment = now + timedelta(days=days)
        if is_possible:
            assert make(session, creator, rejected, moment)
        else:
            with pytest.raises(NotAppealableError):
                make(session, creator, rejected, moment)

    @pytest.mark.parametrize("text", ["", " \u200b ", "x" * 2001])
    def test_says_something_in_2000_characters(self, session, rejected, creator, now, text):
        with pytest.raises(AppealInvalidError):
            make(session, creator, rejected, now, text)
        assert make(session, creator, rejected, now, "字" * 2000)

    def test_is_not_for_others_nor_against_an_approval(self, session, rejected, creator, other_creator, moderator, now):
        with pytest.raises(NotFoundError):
            make(session, other_creator, rejected, now)
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        with pytest.raises(NotAppealableError):
            make(session, creator, live, now)
        with pytest.raises(NotAppealableError):
            make(session, creator, make_listing(session, owner=creator, now=now), now)


class TestAnswer:
    def test_is_given_by_somebody_who_took_no_part(self, session, rejected, creator, moderator, other_moderator, now):
        row = make(session, creator, rejected, now)
        with pytest.raises(AppealOwnDecisionError):
            answer(session, moderator, row, now, upholds=False)
        with pytest.raises(ForbiddenError):
            answer(session, creator, row, now, upholds=True)
        answer(session, other_moderator, row, now, upholds=False)
        assert (row.state, row.decided_by_id, row.answer) == (
            AppealState.DISMISSED,
            other_moderator.user_id,
            "We read it again.",
        )
        assert rejected.status is S.REJECTED
        with pytest.raises(AppealClosedError):
            answer(session, other_moderator, row, now, upholds=True)

    def test_upheld_keeps_the_new_review_from_whom_it_overturned(
        self, session, rejected, creator, moderator, other_moderator, now
    ):
        row = make(session, creator, rejected, now)
        assert row.due_at > now
        answer(session, other_moderator, row, now, upholds=True)
        assert row.due_at is None
        case = case_of(session, rejected)
        case.state = CaseState.WAITING
        session.flush()
        with pytest.raises(OverturnedError):
            claims.claim(session, actor=moderator, case_id=case.id, now=now)
        assert queue.next_case(session, actor=moderator, now=now) is None
        assert queue.page(session, actor=moderator, now=now, show=queue.Show.FREE).rows == []
        assert queue.next_case(session, actor=other_moderator, now=now) == case.id
        assert claims.claim(session, actor=other_moderator, case_id=case.id, now=now)

    def test_is_not_given_by_a_creator_who_is_a_moderator_too(self, session, moderator, now):
        both = make_actor(session, RoleName.CREATOR, RoleName.MODERATOR)
        row = make_appeal(session, owner=both, moderator=moderator, now=now)
        with pytest.raises(AppealOwnDecisionError):
            answer(session, both, row, now, upholds=True)

    def test_says_why(self, session, rejected, creator, other_moderator, now):
        row = make(session, creator, rejected, now)
        for text in ("", "x" * 4001):
            with pytest.raises(AnswerInvalidError):
                answer(session, other_moderator, row, now, upholds=True, text=text)

    def test_upheld_brings_what_was_rejected_to_the_desk_again(self, session, rejected, creator, other_moderator, now):
        answer(session, other_moderator, make(session, creator, rejected, now), now, upholds=True)
        assert (rejected.status, rejected.ended_at, rejected.notice) == (S.PENDING, None, Notice.RESTORED)
        assert case_of(session, rejected).state is CaseState.SCREENING
        [flag] = [
            flag
            for flag in flags.list_open(session, publication_ids=[rejected.id])[rejected.id]
            if flag.kind is FlagKind.APPEAL
        ]
        assert flag.cleared_at is None
        overturned = session.scalars(sa.select(ReviewDecision).where(ReviewDecision.overturned_at.is_not(None))).all()
        assert [decision.outcome.value for decision in overturned] == ["rejected"]

    def test_upheld_puts_what_was_taken_down_back_on_the_market(
        self, session, taken_down, creator, other_moderator, now
    ):
        decision = decision_on(session, taken_down)
        answer(session, other_moderator, make(session, creator, taken_down, now), now, upholds=True)
        session.refresh(decision)
        assert (taken_down.status, decision.overturned_at) == (S.APPROVED, now)

    def test_upheld_leaves_it_unlisted_where_another_one_is_live(
        self, session, taken_down, creator, moderator, other_moderator, now
    ):
        row = make(session, creator, taken_down, now)
        character = session.get_one(Character, taken_down.character_id)
        successor = make_live_listing(
            session, owner=creator, moderator=moderator, now=now + timedelta(hours=1), character=character, title="Anew"
        )
        answer(session, other_moderator, row, now, upholds=True)
        assert (taken_down.status, successor.status) == (S.UNLISTED, S.APPROVED)

    def test_upheld_after_a_new_submission_is_recorded_and_no_more(
        self, session, rejected, creator, other_moderator, now
    ):
        row = make(session, creator, rejected, now)
        character = session.get_one(Character, rejected.character_id)
        newer = make_listing(session, owner=creator, now=now + timedelta(hours=1), character=character, title="Better")
        answer(session, other_moderator, row, now, upholds=True)
        assert (rejected.status, newer.status) == (S.REJECTED, S.PENDING)
        assert decision_on(session, rejected).overturned_at == now

    def test_is_no_mark_against_the_creator_when_upheld(self, session, rejected, creator, other_moderator, now):
        before = records.creator_record(session, actor=other_moderator, publisher_id=creator.user_id)
        answer(session, other_moderator, make(session, creator, rejected, now), now, upholds=True)
        after = records.creator_record(session, actor=other_moderator, publisher_id=creator.user_id)
        assert (before.rejected, after.rejected) == (1, 0)

    def test_is_given_once_by_two_who_press_at_once(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            first, *others = [make_actor(session, RoleName.MODERATOR) for _ in range(3)]
            row_id = make_appeal(session, owner=owner, moderator=first, now=now).id
        outcomes = at_once(
            committed_database.engine,
            *(
                lambda s, who=who, upholds=upholds: appeals.answer(
                    s, actor=who, appeal_id=row_id, upholds=upholds, text="x", now=now
                )
                for who, upholds in zip(others, (True, False), strict=True)
            ),
        )
        assert sum(isinstance(outcome, AppealClosedError) for outcome in outcomes) == 1
        with session_scope(committed_database.engine) as session:
            row = session.get_one(Appeal, row_id)
            status = session.scalars(sa.select(CharacterPublication.status)).one()
            assert (row.state is AppealState.UPHELD) == (status is S.PENDING)


class TestWhatPostgresqlRefuses:
    def test_an_answer_by_who_decided(self, session, rejected, creator, moderator, now):
        make(session, creator, rejected, now)
        for person in (moderator.user_id, creator.user_id):
            with pytest.raises(sa.exc.IntegrityError, match="their own decision"), session.begin_nested():
                session.execute(
                    sa.text("UPDATE appeals SET state = 'dismissed', decided_by_id = :id, decided_at = now()"),
                    {"id": person},
                )

    @pytest.mark.parametrize(
        ("values", "match"),
        [
            ("state = 'upheld'", "decided_goes_with_state"),
            ("decided_at = now()", "decided"),
            ("text = repeat('x', 2001)", "text_at_most_2000"),
        ],
    )
    def test_dates_that_do_not_fit(self, session, rejected, creator, now, values, match):
        make(session, creator, rejected, now)
        with pytest.raises(sa.exc.IntegrityError, match=match):
            session.execute(sa.text(f"UPDATE appeals SET {values}"))

    def test_a_second_appeal(self, session, rejected, creator, now):
        row = make(session, creator, rejected, now)
        with pytest.raises(sa.exc.IntegrityError, match="uq_appeals_decision_id"):
            session.execute(
                sa.insert(Appeal).values(
                    decision_id=row.decision_id, appellant_id=creator.user_id, text="x", created_at=now, due_at=now
                )
            )

    def test_deleting_a_creator_with_listings_and_earnings(self, session, rejected, creator):
        with pytest.raises(sa.exc.IntegrityError, match="violates"):
            session.execute(sa.text("DELETE FROM users WHERE id = :id"), {"id": creator.user_id})
