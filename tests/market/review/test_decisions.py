"""Decisions: held back for ten seconds, undone, in effect once, confirmed by a second person."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.authoring.models import Character, CharacterStatus
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, StudioError
from studio.market.catalogue import cases, flags, listings
from studio.market.catalogue.errors import ArchivedCharacterError, StepImpossibleError
from studio.market.models import (
    CaseState,
    CharacterPublication,
    FlagKind,
    Notice,
    Outcome,
    PublicationStatus,
    ReviewCase,
    ReviewDecision,
    UndoneReason,
)
from studio.market.review import claims, decisions, effects, held_queries, margin, notes, queue
from studio.market.review import queries as review_queries
from studio.market.review import rules as review_rules
from studio.market.review.dossier import Around
from studio.market.review.errors import (
    ConfirmedError,
    NothingToConfirmError,
    NotUnderReviewError,
    OtherMindError,
    OwnPublicationError,
    TooLateError,
)
from studio.market.review.rules import AT_ONCE, UNDO, Reason
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.market import (
    case_of,
    make_card,
    make_claimed_case,
    make_live_listing,
    make_sent_back,
    make_waiting_case,
)
from tests.threads import at_once

S = PublicationStatus
THIN = Reason("thin_description", "description", "Say what he wants.")


@pytest.fixture
def case(session, creator, moderator, now):
    return make_claimed_case(session, owner=creator, moderator=moderator, now=now)


@pytest.fixture
def publication(session, case):
    return session.get_one(CharacterPublication, case.publication_id)


@pytest.fixture
def seen(session, moderator, case, publication, now):
    """What every decision is given."""
    return {"actor": moderator, "case_id": case.id, "content_hash": publication.content_hash, "now": now}


@pytest.fixture
def live_case(session, creator, moderator, now):
    """A live listing under review again, in the hands of `moderator`."""
    live = make_live_listing(session, owner=creator, moderator=make_actor(session, RoleName.MODERATOR), now=now)
    case = cases.open_case(session, live, actor=moderator, now=now)
    case.state = CaseState.WAITING
    session.flush()
    return claims.claim(session, actor=moderator, case_id=case.id, now=now)


@pytest.fixture
def seen_live(session, moderator, live_case, now):
    live = session.get_one(CharacterPublication, live_case.publication_id)
    return {"actor": moderator, "case_id": live_case.id, "content_hash": live.content_hash, "now": now}


def around_of(session, case, publication, actor):
    """What the desk shows around the case to a moderator who holds it."""
    return margin.read(session, actor=actor, case=case, publication=publication, around=Around(), decides=True)


def severe_reason(session):
    return next(reason.code for reason in review_queries.list_reasons(session) if reason.is_severe)


class TestHoldingBack:
    def test_changes_nothing_for_ten_seconds(self, session, case, publication, creator, seen, now):
        decision = decisions.request_changes(session, **seen, reasons=[THIN])
        assert decision.effective_at == now + timedelta(seconds=10)
        assert (publication.status, case.state) == (S.PENDING, CaseState.DECIDING)
        assert not effects.take_effect(session, decision_id=decision.id, now=now + timedelta(seconds=9))
        assert publication.status is S.PENDING
        assert review_queries.feedback_for(session, actor=creator, character_id=publication.character_id) == []
        assert review_queries.find_decision(session, actor=creator, publication_id=publication.id) is None

    def test_leaves_at_its_time_once(self, session, case, publication, creator, seen, now):
        decision = decisions.request_changes(session, **seen, reasons=[THIN], note="Nearly there")
        later = now + UNDO
        assert effects.take_effect(session, decision_id=decision.id, now=later)
        assert not effects.take_effect(session, decision_id=decision.id, now=later)
        assert (publication.status, publication.ended_at) == (S.CHANGES_REQUESTED, later)
        assert (case.state, case.closed_at, decision.effected_at) == (CaseState.DECIDED, later, later)
        [asked] = review_queries.feedback_for(session, actor=creator, character_id=publication.character_id)
        assert (asked.field, asked.comment) == ("description", "Say what he wants.")
        entries = sa.select(sa.func.count()).where(AuditEntry.action == "listing.request_changes")
        assert session.scalar(entries) == 1

    def test_asks_for_a_job_that_is_due_then(self, session, seen, now):
        decision = decisions.approve(session, **seen)
        job = session.scalars(sa.select(JobRun).where(JobRun.name == "market.let_decision_take_effect")).one()
        assert (job.run_after, job.arguments) == (now + UNDO, {"decision_id": str(decision.id)})

    def test_is_swept_when_the_job_is_lost(self, session, publication, seen, now):
        decisions.approve(session, **seen)
        session.execute(sa.delete(JobRun))
        assert effects.release_due(session, now=now + timedelta(seconds=5)) == 0
        assert effects.release_due(session, now=now + timedelta(hours=9)) == 1
        assert effects.release_due(session, now=now + timedelta(hours=9)) == 0
        assert publication.status is S.APPROVED

    def test_takes_the_case_out_of_the_queue(self, session, case, moderator, other_moderator, seen, now):
        decisions.approve(session, **seen)
        assert queue.page(session, actor=moderator, now=now).rows == []
        with pytest.raises(NotUnderReviewError):
            claims.claim(session, actor=other_moderator, case_id=case.id, now=now)
        with pytest.raises(NotUnderReviewError):
            decisions.reject(session, **{**seen, "actor": other_moderator}, reasons=[THIN])

    def test_clears_the_flags(self, session, publication, seen, now):
        flags.put(session, publication_id=publication.id, kind=FlagKind.REQUEUED, now=now, detail="x")
        assert flags.list_open(session, publication_ids=[publication.id])
        decisions.approve(session, **seen, hold=AT_ONCE)
        assert not flags.list_open(session, publication_ids=[publication.id])


class TestUndo:
    def test_gives_the_case_back_with_what_was_chosen(self, session, case, publication, moderator, seen, now):
        decision = decisions.reject(session, **seen, reasons=[THIN], note="No.")
        later = now + timedelta(seconds=9)
        decisions.undo(session, actor=moderator, case_id=case.id, now=later)
        decisions.undo(session, actor=moderator, case_id=case.id, now=later)
        assert (decision.undone_at, decision.undone_reason) == (later, UndoneReason.UNDONE)
        assert (case.state, case.claimed_by_id) == (CaseState.CLAIMED, moderator.user_id)
        assert publication.status is S.PENDING
        undone = around_of(session, case, publication, moderator).undone
        assert undone.decision.note == "No."
        [given] = undone.feedback
        assert (given.reason.code, given.field, given.comment) == ("thin_description", "description", THIN.comment)
        assert not effects.take_effect(session, decision_id=decision.id, now=now + timedelta(hours=1))
        assert publication.status is S.PENDING

    def test_leaves_room_for_another_decision(self, session, case, publication, moderator, seen, now):
        decisions.reject(session, **seen, reasons=[THIN])
        decisions.undo(session, actor=moderator, case_id=case.id, now=now)
        decisions.approve(session, **seen, hold=AT_ONCE)
        assert publication.status is S.APPROVED

    @pytest.mark.parametrize("seconds", [10, 11, 3_600])
    def test_is_refused_when_it_is_too_late(self, session, case, moderator, seen, now, seconds):
        decisions.approve(session, **seen)
        with pytest.raises(TooLateError):
            decisions.undo(session, actor=moderator, case_id=case.id, now=now + timedelta(seconds=seconds))

    def test_is_for_who_decided(self, session, case, other_moderator, creator, seen, now):
        decisions.approve(session, **seen)
        with pytest.raises(NotUnderReviewError):
            decisions.undo(session, actor=other_moderator, case_id=case.id, now=now)
        with pytest.raises(ForbiddenError):
            decisions.undo(session, actor=creator, case_id=case.id, now=now)

    def test_and_the_effect_at_once_agree(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            owner, moderator = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.MODERATOR)
            case = make_claimed_case(session, owner=owner, moderator=moderator, now=now)
            case_id, publication_id = case.id, case.publication_id
            seen = session.get_one(CharacterPublication, publication_id).content_hash
            decision_id = decisions.approve(session, actor=moderator, case_id=case_id, content_hash=seen, now=now).id
        late, early = now + UNDO, now + timedelta(seconds=9.9)
        at_once(
            committed_database.engine,
            lambda s: decisions.undo(s, actor=moderator, case_id=case_id, now=early),
            lambda s: effects.take_effect(s, decision_id=decision_id, now=late),
            lambda s: effects.release_due(s, now=late),
        )
        with session_scope(committed_database.engine) as session:
            decision = session.get_one(ReviewDecision, decision_id)
            status = session.get_one(CharacterPublication, publication_id).status
            assert (decision.undone_at is None) != (decision.effected_at is None)
            assert (status is S.APPROVED) == (decision.effected_at is not None)


class TestTwoModeratorsAtOnce:
    def test_make_one_decision(self, committed_database, now):
        """The claim passes on at the very moment at which both press."""
        with session_scope(committed_database.engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            people = [make_actor(session, RoleName.MODERATOR) for _ in range(2)]
            case = make_claimed_case(session, owner=owner, moderator=people[0], now=now)
            case_id, seen = case.id, session.get_one(CharacterPublication, case.publication_id).content_hash
        late = now + review_rules.CLAIM

        def press(session, who, act, moment):
            given = {"actor": who, "case_id": case_id, "now": moment}
            if moment == late:
                claims.claim(session, **given)
                # Taking a case and deciding it are two requests, which lock in orders of their own.
                session.commit()
            return act(session, content_hash=seen, **given)

        def reject(session, **given):
            return decisions.reject(session, reasons=[THIN], **given)

        outcomes = at_once(
            committed_database.engine,
            lambda s: press(s, people[0], decisions.approve, late - timedelta(microseconds=1)),
            lambda s: press(s, people[1], reject, late),
        )
        assert sum(isinstance(outcome, StudioError) for outcome in outcomes) == 1
        with session_scope(committed_database.engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(ReviewDecision)) == 1


class TestVoid:
    def test_is_an_approval_whose_listing_was_changed(self, session, case, publication, moderator, seen, now):
        decision = decisions.approve(session, **seen)
        session.execute(
            sa.text("UPDATE character_publications SET title = 'Buy here' WHERE id = :id"), {"id": publication.id}
        )
        assert effects.take_effect(session, decision_id=decision.id, now=now + UNDO)
        session.refresh(publication)
        assert (publication.status, publication.notice) == (S.PENDING, Notice.CHANGED)
        assert (case.state, decision.undone_reason) == (CaseState.WAITING, UndoneReason.CHANGED)
        [flag] = [
            flag
            for flag in flags.list_open(session, publication_ids=[publication.id])[publication.id]
            if flag.kind is FlagKind.CHANGED_AFTER_APPROVAL
        ]
        assert flag.cleared_at is None

    def test_is_what_its_creator_withdrew_meanwhile(self, session, case, publication, creator, seen, now):
        decision = decisions.approve(session, **seen)
        listings.withdraw(session, actor=creator, publication_id=publication.id, now=now)
        assert (publication.status, case.state) == (S.WITHDRAWN, CaseState.WITHDRAWN)
        assert decision.undone_reason is UndoneReason.WITHDRAWN
        assert not effects.take_effect(session, decision_id=decision.id, now=now + UNDO)

    def test_is_what_belongs_to_an_archived_character(self, session, publication, creator, seen, now):
        decision = decisions.approve(session, **seen)
        characters.archive(session, actor=creator, character_id=publication.character_id, now=now)
        assert effects.take_effect(session, decision_id=decision.id, now=now + UNDO)
        assert (publication.status, publication.notice) == (S.WITHDRAWN, Notice.ARCHIVED)
        assert decision.undone_reason is UndoneReason.ARCHIVED

    def test_cannot_be_decided_for_an_archived_character(self, session, publication, creator, seen, now):
        characters.archive(session, actor=creator, character_id=publication.character_id, now=now)
        with pytest.raises(ArchivedCharacterError):
            decisions.approve(session, **seen)
        assert listings.withdraw_archived(session, now=now) == 1
        assert listings.withdraw_archived(session, now=now) == 0
        assert (publication.status, publication.notice) == (S.WITHDRAWN, Notice.ARCHIVED)


class TestLookingAgain:
    def test_keeps_what_is_live(self, session, live_case, seen_live):
        decisions.approve(session, **seen_live, hold=AT_ONCE)
        live = session.get_one(CharacterPublication, live_case.publication_id)
        assert (live.status, live_case.state) == (S.APPROVED, CaseState.DECIDED)

    @pytest.mark.parametrize("outcome", ["request_changes", "reject", "take_down"])
    def test_takes_it_off_the_market(self, session, live_case, seen_live, outcome):
        getattr(decisions, outcome)(session, **seen_live, reasons=[THIN], hold=AT_ONCE)
        live = session.get_one(CharacterPublication, live_case.publication_id)
        assert live.status.value in {"changes_requested", "rejected", "taken_down"}
        assert session.get_one(Character, live.character_id).status is CharacterStatus.DRAFT

    def test_cannot_take_down_what_was_never_live(self, session, seen):
        with pytest.raises(StepImpossibleError):
            decisions.take_down(session, **seen, reasons=[THIN])


class TestSevereTakedown:
    @pytest.fixture
    def proposed(self, session, seen_live):
        return decisions.take_down(session, **seen_live, reasons=[THIN], is_severe=True)

    @pytest.fixture
    def live(self, session, live_case):
        return session.get_one(CharacterPublication, live_case.publication_id)

    def test_hides_at_once_and_waits_for_a_second_person(
        self, session, live, live_case, proposed, other_moderator, now
    ):
        assert (live.status, live.quarantined_from) == (S.QUARANTINED, S.APPROVED)
        assert (live_case.state, proposed.effective_at) == (CaseState.DECIDING, None)
        assert effects.release_due(session, now=now + timedelta(days=9)) == 0
        [waiting] = held_queries.list_proposals(session, actor=other_moderator)
        assert (waiting.publication.id, waiting.is_for_actor) == (live.id, True)

    def test_is_confirmed_by_somebody_else(self, session, live, live_case, proposed, moderator, other_moderator, now):
        with pytest.raises(OtherMindError):
            decisions.second(session, actor=moderator, case_id=live_case.id, agrees=True, now=now)
        decisions.second(session, actor=other_moderator, case_id=live_case.id, agrees=True, now=now)
        assert live.status is S.QUARANTINED
        assert effects.release_due(session, now=now + UNDO) == 1
        assert (live.status, proposed.second_id) == (S.TAKEN_DOWN, other_moderator.user_id)
        with pytest.raises(NothingToConfirmError):
            decisions.second(session, actor=other_moderator, case_id=live_case.id, agrees=False, now=now)

    def test_confirmed_is_not_undone_by_one_alone(
        self, session, live, live_case, proposed, moderator, other_moderator, now
    ):
        decisions.second(session, actor=other_moderator, case_id=live_case.id, agrees=True, now=now)
        with pytest.raises(ConfirmedError):
            decisions.undo(session, actor=moderator, case_id=live_case.id, now=now + timedelta(seconds=1))
        assert (live.status, proposed.undone_at) == (S.QUARANTINED, None)
        effects.release_due(session, now=now + UNDO)
        assert live.status is S.TAKEN_DOWN

    def test_is_declined(self, session, live, live_case, proposed, other_moderator, now):
        decisions.second(session, actor=other_moderator, case_id=live_case.id, agrees=False, now=now)
        assert (live.status, live_case.state) == (S.APPROVED, CaseState.WAITING)
        assert proposed.undone_reason is UndoneReason.DECLINED
        assert session.get_one(Character, live.character_id).status is CharacterStatus.PUBLISHED

    def test_can_be_undone_until_somebody_confirmed(self, session, live, live_case, proposed, moderator, now):
        decisions.undo(session, actor=moderator, case_id=live_case.id, now=now + timedelta(days=1))
        assert (live.status, live_case.state) == (S.APPROVED, CaseState.CLAIMED)

    def test_is_not_for_the_creator(self, session, now):
        owner = make_actor(session, RoleName.CREATOR, RoleName.MODERATOR)
        first = make_actor(session, RoleName.MODERATOR)
        live = make_live_listing(session, owner=owner, moderator=first, now=now)
        case = cases.open_case(session, live, actor=first, now=now)
        case.state = CaseState.WAITING
        session.flush()
        claims.claim(session, actor=first, case_id=case.id, now=now)
        decisions.take_down(
            session, actor=first, case_id=case.id, content_hash=live.content_hash, now=now, reasons=[THIN],
            is_severe=True,
        )  # fmt: skip
        with pytest.raises(OwnPublicationError):
            decisions.second(session, actor=owner, case_id=case.id, agrees=False, now=now)

    def test_follows_from_a_severe_reason(self, session, live, seen_live):
        decisions.take_down(session, **seen_live, reasons=[Reason(severe_reason(session))])
        assert live.status is S.QUARANTINED


class TestNotes:
    def test_are_for_moderators(self, session, publication, moderator, creator, now):
        notes.add(session, actor=moderator, publication_id=publication.id, text=" Ask for the source. ", now=now)
        case = case_of(session, publication)
        [shown] = around_of(session, case, publication, moderator).notes
        assert (shown.note.text, shown.author_name) == ("Ask for the source.", moderator.name)
        assert around_of(session, case, publication, creator).notes == ()
        with pytest.raises(ForbiddenError):
            notes.add(session, actor=creator, publication_id=publication.id, text="x", now=now)

    @pytest.mark.parametrize("text", ["", " \u200b ", "x" * 4001])
    def test_say_something(self, session, publication, moderator, now, text):
        with pytest.raises(StudioError):
            notes.add(session, actor=moderator, publication_id=publication.id, text=text, now=now)


class TestWhatPostgresqlRefuses:
    """Plain SQL, whoever writes it."""

    def refuses(self, session, sentence, match, **values):
        with pytest.raises(sa.exc.DBAPIError, match=match), session.begin_nested():
            session.execute(sa.text(sentence), values)

    @pytest.mark.parametrize(
        ("values", "match"),
        [
            ("outcome = 'approved'", "was agreed and stays"),
            ("effective_at = now()", "was agreed and stays"),
            ("effected_at = effective_at - interval '1 second'", "effected_after_its_time"),
            ("undone_at = now()", "undone_has_a_reason"),
            ("second_id = moderator_id, seconded_at = now()", "second_is_somebody_else"),
            ("seconded_at = now()", "second_goes_with_seconded_at"),
            ("overturned_at = now()", "overturned_was_in_effect"),
            (
                "effected_at = effective_at, undone_at = effective_at, undone_reason = 'undone'",
                "undone_had_no_effect",
            ),
        ],
    )
    def test_of_a_decision(self, session, seen, values, match):
        decisions.reject(session, **seen, reasons=[THIN])
        self.refuses(session, f"UPDATE review_decisions SET {values}", match)

    def test_of_a_severe_takedown_without_a_second_person(self, session, seen_live):
        decision = decisions.take_down(session, **seen_live, reasons=[THIN], is_severe=True)
        self.refuses(
            session,
            "UPDATE review_decisions SET effective_at = now() + interval '1 year' WHERE id = :id",
            "needs two people",
            id=decision.id,
        )

    def test_of_ones_own_work(self, session, creator, now):
        case = make_waiting_case(session, owner=creator, now=now)
        with pytest.raises(sa.exc.IntegrityError, match="their own work"):
            session.add(
                ReviewDecision(
                    case_id=case.id, moderator_id=creator.user_id, outcome=Outcome.APPROVED, content_hash="x",
                    decided_at=now,
                )
            )  # fmt: skip
            session.flush()

    def test_to_change_what_was_reviewed(self, session, creator, moderator, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        for values in (
            "title = 'Buy here'",
            "price_minor = 1",
            "license_type = 'exclusive'",
            "tags = '{x}'",
            "title = 'Buy here', status = 'unlisted'",
        ):
            self.refuses(
                session,
                f"UPDATE character_publications SET {values} WHERE id = :id",
                "stays as it was reviewed",
                id=live.id,
            )

    def test_a_second_review_at_the_same_time(self, session, case, now):
        session.add(ReviewCase(publication_id=case.publication_id, opened_at=now, due_at=now))
        with pytest.raises(sa.exc.IntegrityError, match="uq_review_cases_publication_id_open"):
            session.flush()


class TestWhoLeaves:
    def test_a_suspended_moderators_decision_still_takes_effect(self, session, publication, moderator, seen, now):
        decision = decisions.approve(session, **seen)
        assert claims.release_claims(session, user_id=moderator.user_id) == 0
        assert effects.take_effect(session, decision_id=decision.id, now=now + UNDO)
        assert publication.status is S.APPROVED

    def test_a_rejected_listing_can_be_submitted_anew(self, session, creator, moderator, now):
        character = make_card(session, owner=creator, now=now)
        sent_back = make_sent_back(session, owner=creator, moderator=moderator, now=now, character=character)
        later = make_waiting_case(
            session, owner=creator, now=now + timedelta(hours=1), character=character, title="Better"
        )
        assert sent_back.status is S.CHANGES_REQUESTED
        assert case_of(session, sent_back).state is CaseState.DECIDED
        assert later.state is CaseState.WAITING
