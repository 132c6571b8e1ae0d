"""Severe takedowns: two people whichever button is pressed, what a sale or an archive in between does, and taking back."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.authoring.models import Character, CharacterStatus
from studio.market.catalogue import cases, listings
from studio.market.models import (
    CaseState,
    CharacterPublication,
    LicenseType,
    Notice,
    Outcome,
    PublicationStatus,
    PurchaseStatus,
    ReviewDecision,
    UndoneReason,
)
from studio.market.review import appeals, claims, decisions, effects, recalls
from studio.market.review import queries as review_queries
from studio.market.review.errors import ConfirmedError, NothingConfirmedError, NotUnderReviewError, TooLateError
from studio.market.review.rules import AT_ONCE, UNDO, Reason
from studio.providers.payments import EventKind
from tests.factories.accounts import make_actor
from tests.factories.market import (
    case_of,
    make_claimed_case,
    make_listing,
    make_live_listing,
    make_sent_back,
)
from tests.factories.money import begin, buy, make_offer, tell

S = PublicationStatus
THIN = Reason("thin_description", "description", "Say what he wants.")
SECOND = timedelta(seconds=1)


@pytest.fixture
def live(session, creator, now):
    return make_offer(session, owner=creator, now=now)


@pytest.fixture
def exclusive(session, creator, now):
    return make_offer(session, owner=creator, now=now, license_type=LicenseType.EXCLUSIVE)


@pytest.fixture
def buyer(session):
    return make_actor(session, RoleName.CREATOR)


def severe(session):
    return Reason(next(reason.code for reason in review_queries.list_reasons(session) if reason.is_severe))


def claimed(session, publication, moderator, now):
    """The listing's open review, in the moderator's hands."""
    case = cases.open_case(session, publication, actor=moderator, now=now)
    if case.state is CaseState.SCREENING:
        case.state = CaseState.WAITING
        session.flush()
    return claims.claim(session, actor=moderator, case_id=case.id, now=now)


def propose(session, publication, moderator, now, decide=decisions.take_down, **values):
    case = claimed(session, publication, moderator, now)
    given = {"reasons": [severe(session)], "content_hash": publication.content_hash, **values}
    return decide(session, actor=moderator, case_id=case.id, now=now, **given)


def second(session, decision, moderator, now, *, agrees, **values):
    return decisions.second(session, actor=moderator, case_id=decision.case_id, agrees=agrees, now=now, **values)


def at_commit(session):
    """PostgreSQL checks now what it would check when the transaction ends."""
    session.flush()
    session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))


class TestTwoPeople:
    @pytest.mark.parametrize("decide", [decisions.reject, decisions.request_changes, decisions.take_down])
    @pytest.mark.parametrize("by", ["reason", "mark"])
    def test_take_what_is_on_the_market_off_it_whichever_button_is_pressed(
        self, session, live, moderator, other_moderator, now, decide, by
    ):
        values = {} if by == "reason" else {"reasons": [THIN], "is_severe": True}
        decision = propose(session, live, moderator, now, decide, **values)
        again = decide(
            session, actor=moderator, case_id=decision.case_id, content_hash=live.content_hash, now=now,
            **{"reasons": [severe(session)], **values},
        )  # fmt: skip
        assert again.id == decision.id
        assert (decision.outcome, decision.is_severe, decision.effective_at) == (Outcome.TAKEN_DOWN, True, None)
        assert effects.release_due(session, now=now + timedelta(days=9)) == 0
        assert (live.status, live.quarantined_from) == (S.QUARANTINED, S.APPROVED)
        second(session, decision, other_moderator, now, agrees=True, hold=AT_ONCE)
        assert live.status is S.TAKEN_DOWN

    def test_are_needed_for_what_is_off_the_market_just_now(self, session, live, creator, moderator, now):
        listings.unlist(session, actor=creator, publication_id=live.id, now=now)
        decision = propose(session, live, moderator, now, decisions.reject)
        assert (decision.outcome, decision.effective_at) == (Outcome.TAKEN_DOWN, None)

    def test_are_not_needed_for_what_nobody_ever_met(self, session, creator, moderator, now):
        case = make_claimed_case(session, owner=creator, moderator=moderator, now=now)
        publication = session.get_one(CharacterPublication, case.publication_id)
        decision = decisions.reject(
            session, actor=moderator, case_id=case.id, content_hash=publication.content_hash, now=now,
            reasons=[severe(session)], hold=AT_ONCE,
        )  # fmt: skip
        assert (publication.status, decision.is_severe) == (S.REJECTED, True)

    @pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.CHANGES_REQUESTED, Outcome.TAKEN_DOWN])
    def test_are_asked_for_by_postgresql_too(self, session, live, moderator, now, outcome):
        case = claimed(session, live, moderator, now)
        session.add(
            ReviewDecision(
                case_id=case.id, moderator_id=moderator.user_id, outcome=outcome, content_hash=live.content_hash,
                is_severe=True, decided_at=now, effective_at=now,
            )
        )  # fmt: skip
        with pytest.raises(sa.exc.IntegrityError, match=r"needs_two|needs two people"):
            session.flush()


class TestSoldInBetween:
    """An exclusive is paid for while a moderator has the listing in hand."""

    @pytest.fixture
    def proposed(self, session, exclusive, buyer, moderator, now):
        """Somebody pays; a severe takedown is proposed; the money comes."""
        purchase = begin(session, buyer=buyer, offer=exclusive, now=now)
        decision = propose(session, exclusive, moderator, now)
        tell(session, purchase, EventKind.PAID, now=now)
        assert purchase.status is PurchaseStatus.PAID
        at_commit(session)
        return decision

    def test_declined_it_is_off_the_market(self, session, exclusive, proposed, other_moderator, now):
        second(session, proposed, other_moderator, now, agrees=False, reason="No.")
        at_commit(session)
        assert (exclusive.status, exclusive.notice) == (S.UNLISTED, Notice.SOLD)
        assert case_of(session, exclusive).state is CaseState.WAITING

    def test_undone_it_is_off_the_market(self, session, exclusive, proposed, moderator, now):
        decisions.undo(session, actor=moderator, case_id=proposed.case_id, now=now)
        at_commit(session)
        assert (exclusive.status, exclusive.notice) == (S.UNLISTED, Notice.SOLD)

    def test_put_back_it_is_off_the_market(self, session, exclusive, buyer, moderator, now):
        purchase = begin(session, buyer=buyer, offer=exclusive, now=now)
        recalls.quarantine(session, actor=moderator, publication_id=exclusive.id, reason="Look.", now=now)
        tell(session, purchase, EventKind.PAID, now=now)
        recalls.release(session, actor=moderator, publication_id=exclusive.id, now=now)
        at_commit(session)
        assert (exclusive.status, exclusive.notice) == (S.UNLISTED, Notice.SOLD)

    def test_found_in_order_it_is_off_the_market(self, session, exclusive, buyer, moderator, now):
        purchase = begin(session, buyer=buyer, offer=exclusive, now=now)
        recalls.quarantine(session, actor=moderator, publication_id=exclusive.id, reason="Look.", now=now)
        tell(session, purchase, EventKind.PAID, now=now)
        case = claimed(session, exclusive, moderator, now)
        decisions.approve(
            session, actor=moderator, case_id=case.id, content_hash=exclusive.content_hash, now=now, hold=AT_ONCE
        )
        at_commit(session)
        assert (exclusive.status, exclusive.notice) == (S.UNLISTED, Notice.SOLD)
        assert case.state is CaseState.DECIDED

    @pytest.fixture
    def successor(self, session, exclusive, creator, now):
        """A second version, waiting while the first one is live."""
        character = session.get_one(Character, exclusive.character_id)
        return make_listing(
            session, owner=creator, now=now + SECOND, character=character, title="Second",
            license_type=LicenseType.EXCLUSIVE,
        )  # fmt: skip

    def test_what_waited_to_follow_is_withdrawn_when_it_is_put_back(
        self, session, exclusive, successor, buyer, moderator, now
    ):
        recalls.quarantine(session, actor=moderator, publication_id=successor.id, reason="Look.", now=now)
        buy(session, buyer=buyer, offer=exclusive, now=now)
        recalls.release(session, actor=moderator, publication_id=successor.id, now=now)
        at_commit(session)
        assert (successor.status, successor.notice) == (S.WITHDRAWN, Notice.SOLD)
        assert case_of(session, successor).state is CaseState.WITHDRAWN

    def test_what_waited_to_follow_is_withdrawn_when_its_approval_takes_effect(
        self, session, exclusive, successor, buyer, moderator, now
    ):
        recalls.quarantine(session, actor=moderator, publication_id=successor.id, reason="Look.", now=now)
        case = claimed(session, successor, moderator, now)
        decisions.approve(session, actor=moderator, case_id=case.id, content_hash=successor.content_hash, now=now)
        buy(session, buyer=buyer, offer=exclusive, now=now)
        assert effects.release_due(session, now=now + UNDO) == 1
        at_commit(session)
        assert (successor.status, successor.notice) == (S.WITHDRAWN, Notice.SOLD)
        assert case.state is CaseState.WITHDRAWN

    def test_an_appeal_of_what_never_was_live_is_upheld(
        self, session, exclusive, creator, buyer, moderator, other_moderator, now
    ):
        character = session.get_one(Character, exclusive.character_id)
        later = now + SECOND
        rejected = make_sent_back(
            session, owner=creator, moderator=moderator, now=later, character=character, title="Second",
            license_type=LicenseType.EXCLUSIVE, decide=decisions.reject,
        )  # fmt: skip
        appeal = appeals.appeal(session, actor=creator, publication_id=rejected.id, text="It is fine.", now=later)
        buy(session, buyer=buyer, offer=exclusive, now=later)
        appeals.answer(session, actor=other_moderator, appeal_id=appeal.id, upholds=True, text="It is.", now=later)
        at_commit(session)
        assert (rejected.status, rejected.notice) == (S.WITHDRAWN, Notice.SOLD)


class TestArchivedInBetween:
    def archive(self, session, publication, creator, now):
        characters.archive(session, actor=creator, character_id=publication.character_id, now=now)

    def is_off(self, session, publication):
        status = session.get_one(Character, publication.character_id).status
        return (publication.status, publication.notice, status) == (
            S.UNLISTED,
            Notice.ARCHIVED,
            CharacterStatus.ARCHIVED,
        )

    def test_declined_it_is_off_the_market(self, session, live, creator, moderator, other_moderator, now):
        decision = propose(session, live, moderator, now)
        self.archive(session, live, creator, now)
        second(session, decision, other_moderator, now, agrees=False, reason="No.")
        assert self.is_off(session, live)

    def test_undone_it_is_off_the_market(self, session, live, creator, moderator, now):
        decision = propose(session, live, moderator, now)
        self.archive(session, live, creator, now)
        decisions.undo(session, actor=moderator, case_id=decision.case_id, now=now)
        assert self.is_off(session, live)

    def test_what_waited_for_its_time_is_withdrawn_with_its_review(
        self, session, creator, moderator, other_moderator, now
    ):
        waiting = make_live_listing(
            session, owner=creator, moderator=moderator, now=now, publish_at=now + timedelta(hours=9)
        )
        assert waiting.status is S.SCHEDULED
        decision = propose(session, waiting, moderator, now)
        self.archive(session, waiting, creator, now)
        second(session, decision, other_moderator, now, agrees=False, reason="No.")
        assert (waiting.status, waiting.notice) == (S.WITHDRAWN, Notice.ARCHIVED)
        assert case_of(session, waiting).state is CaseState.WITHDRAWN
        assert decision.undone_reason is UndoneReason.DECLINED

    def test_an_appeal_of_what_never_was_live_is_upheld(self, session, creator, moderator, other_moderator, now):
        rejected = make_sent_back(session, owner=creator, moderator=moderator, now=now, decide=decisions.reject)
        appeal = appeals.appeal(session, actor=creator, publication_id=rejected.id, text="It is fine.", now=now)
        self.archive(session, rejected, creator, now)
        appeals.answer(session, actor=other_moderator, appeal_id=appeal.id, upholds=True, text="It is.", now=now)
        assert (rejected.status, rejected.notice) == (S.WITHDRAWN, Notice.ARCHIVED)


class TestTakingTheConfirmationBack:
    @pytest.fixture
    def confirmed(self, session, live, moderator, other_moderator, now):
        decision = propose(session, live, moderator, now)
        return second(session, decision, other_moderator, now, agrees=True)

    def test_leaves_the_proposal_waiting_for_a_second_person(
        self, session, live, confirmed, moderator, other_moderator, now
    ):
        later = now + 9 * SECOND
        decisions.undo(session, actor=other_moderator, case_id=confirmed.case_id, now=later)
        with pytest.raises(NothingConfirmedError):
            decisions.undo(session, actor=other_moderator, case_id=confirmed.case_id, now=later)
        assert (confirmed.second_id, confirmed.effective_at, confirmed.undone_at) == (None, None, None)
        assert case_of(session, live).state is CaseState.DECIDING
        assert effects.release_due(session, now=now + timedelta(days=1)) == 0
        assert live.status is S.QUARANTINED
        third = make_actor(session, RoleName.MODERATOR)
        second(session, confirmed, third, later, agrees=True)
        assert effects.release_due(session, now=later + UNDO) == 1
        assert (live.status, confirmed.second_id) == (S.TAKEN_DOWN, third.user_id)

    def test_is_for_who_confirmed_and_in_time(self, session, confirmed, moderator, other_moderator, now):
        with pytest.raises(ConfirmedError):
            decisions.undo(session, actor=moderator, case_id=confirmed.case_id, now=now)
        with pytest.raises(NotUnderReviewError):
            decisions.undo(session, actor=make_actor(session, RoleName.MODERATOR), case_id=confirmed.case_id, now=now)
        with pytest.raises(TooLateError):
            decisions.undo(session, actor=other_moderator, case_id=confirmed.case_id, now=now + UNDO)

    @pytest.mark.parametrize(
        "values",
        [
            "second_id = NULL, seconded_at = NULL",
            "effective_at = effective_at + interval '1 hour'",
            "effective_at = NULL",
            "seconded_at = now()",
        ],
    )
    def test_is_all_that_postgresql_lets_change_of_a_confirmation(self, session, confirmed, values):
        with pytest.raises(sa.exc.IntegrityError, match=r"agreed and stays|needs_two"), session.begin_nested():
            session.execute(sa.text(f"UPDATE review_decisions SET {values} WHERE id = :id"), {"id": confirmed.id})

    def test_is_refused_by_postgresql_once_it_is_in_effect(self, session, confirmed, now):
        effects.release_due(session, now=now + UNDO)
        with pytest.raises(sa.exc.IntegrityError, match="agreed and stays"), session.begin_nested():
            session.execute(
                sa.text(
                    "UPDATE review_decisions SET second_id = NULL, seconded_at = NULL, effective_at = NULL,"
                    " effected_at = NULL WHERE id = :id"
                ),
                {"id": confirmed.id},
            )
