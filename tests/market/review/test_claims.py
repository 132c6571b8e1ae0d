from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring.models import Character, CharacterStatus
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.market.catalogue import listings, queries, records
from studio.market.catalogue.errors import ContentChangedError
from studio.market.models import CaseState, CharacterPublication, Outcome, PublicationStatus, ReviewDecision
from studio.market.review import claims, decisions
from studio.market.review import queries as review_queries
from studio.market.review import rules as review_rules
from studio.market.review.errors import (
    ClaimedByOtherError,
    NotClaimedError,
    NotUnderReviewError,
    OwnPublicationError,
    ReasonsInvalidError,
    StillScreenedError,
)
from studio.market.review.rules import AT_ONCE, Reason
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.market import (
    case_of,
    make_card,
    make_claimed_case,
    make_listing,
    make_live_listing,
    make_waiting_case,
)

THIN = Reason("thin_description", "description", "Say what he wants.")


@pytest.fixture
def case(session, creator, moderator, now):
    """A case in the hands of `moderator`."""
    return make_claimed_case(session, owner=creator, moderator=moderator, now=now)


@pytest.fixture
def publication(session, case):
    return session.get_one(CharacterPublication, case.publication_id)


class TestClaim:
    def test_lasts_half_an_hour(self, session, case, moderator, now):
        assert (case.state, case.claimed_by_id) == (CaseState.CLAIMED, moderator.user_id)
        assert case.claim_expires_at == now + timedelta(minutes=30)

    def test_is_lengthened_by_claiming_again(self, session, case, moderator, now):
        claims.claim(session, actor=moderator, case_id=case.id, now=now + timedelta(minutes=20))
        assert case.claim_expires_at == now + timedelta(minutes=50)

    def test_is_refused_to_others_by_name(self, session, case, moderator, other_moderator, now):
        with pytest.raises(ClaimedByOtherError, match=moderator.name):
            claims.claim(session, actor=other_moderator, case_id=case.id, now=now)

    def test_passes_on_when_it_has_ended(self, session, case, other_moderator, now):
        claims.claim(session, actor=other_moderator, case_id=case.id, now=now + review_rules.CLAIM)
        assert case.claimed_by_id == other_moderator.user_id

    def test_waits_for_the_screening(self, session, creator, moderator, now):
        case = case_of(session, make_listing(session, owner=creator, now=now))
        with pytest.raises(StillScreenedError):
            claims.claim(session, actor=moderator, case_id=case.id, now=now)

    def test_refuses_ones_own_listing(self, session, now):
        both = make_actor(session, RoleName.CREATOR, RoleName.MODERATOR)
        case = make_waiting_case(session, owner=both, now=now)
        with pytest.raises(OwnPublicationError):
            claims.claim(session, actor=both, case_id=case.id, now=now)

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.STAFF, RoleName.ADMIN])
    def test_is_for_moderators(self, session, case, now, role):
        with pytest.raises(ForbiddenError):
            claims.claim(session, actor=make_actor(session, role), case_id=case.id, now=now)


class TestRenew:
    def test_lengthens_a_claim(self, session, case, moderator, now):
        assert claims.renew(session, actor=moderator, case_id=case.id, now=now + timedelta(minutes=10))
        session.refresh(case)
        assert case.claim_expires_at == now + timedelta(minutes=40)

    def test_does_not_revive_one_that_ended(self, session, case, moderator, now):
        assert not claims.renew(session, actor=moderator, case_id=case.id, now=now + review_rules.CLAIM)

    def test_is_nothing_for_others(self, session, case, other_moderator, now):
        assert not claims.renew(session, actor=other_moderator, case_id=case.id, now=now)


class TestRelease:
    def test_puts_it_back(self, session, case, moderator, now):
        claims.release(session, actor=moderator, case_id=case.id)
        assert (case.state, case.claimed_by_id, case.claim_expires_at) == (CaseState.WAITING, None, None)

    def test_changes_nothing_for_others(self, session, case, other_moderator):
        claims.release(session, actor=other_moderator, case_id=case.id)
        assert case.state is CaseState.CLAIMED

    def test_release_claims_frees_all_of_a_person(self, session, case, creator, moderator, other_moderator, now):
        kept = make_claimed_case(session, owner=creator, moderator=other_moderator, now=now)
        assert claims.release_claims(session, user_id=moderator.user_id) == 1
        assert claims.release_claims(session, user_id=moderator.user_id) == 0
        assert (case.state, kept.state) == (CaseState.WAITING, CaseState.CLAIMED)


class TestApprove:
    def approve(self, session, actor, case, publication, now, **more):
        return decisions.approve(
            session, actor=actor, case_id=case.id, content_hash=publication.content_hash, now=now, **more, hold=AT_ONCE
        )

    def test_makes_the_listing_live(self, session, case, publication, moderator, now):
        decision = self.approve(session, moderator, case, publication, now, note="Fine work")
        assert (publication.status, publication.published_at) == (PublicationStatus.APPROVED, now)
        assert (case.state, case.closed_at, case.claimed_by_id) == (CaseState.DECIDED, now, None)
        assert (decision.outcome, decision.note) == (Outcome.APPROVED, "Fine work")
        assert session.get_one(Character, publication.character_id).status is CharacterStatus.PUBLISHED

    def test_is_audited_and_embedded(self, session, case, publication, moderator, now):
        session.execute(sa.delete(JobRun))
        self.approve(session, moderator, case, publication, now)
        assert session.scalars(sa.select(JobRun.name)).all() == ["memory.embed_character"]
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "listing.approve")).one()
        assert (entry.actor_id, entry.resource_id) == (moderator.user_id, publication.id)

    def test_unlists_the_predecessor(self, session, creator, moderator, now):
        character = make_card(session, owner=creator, now=now)
        first = make_live_listing(session, owner=creator, moderator=moderator, now=now, character=character)
        second = make_live_listing(
            session, owner=creator, moderator=moderator, now=now, character=character, title="Second"
        )
        assert (first.status, second.status) == (PublicationStatus.UNLISTED, PublicationStatus.APPROVED)
        assert queries.find_last_approved(session, publication=second) is first

    def test_gives_the_same_decision_on_a_double_click(self, session, case, publication, moderator, now):
        first = self.approve(session, moderator, case, publication, now)
        assert self.approve(session, moderator, case, publication, now) is first

    def test_refuses_what_is_not_what_was_seen(self, session, case, publication, moderator, now):
        with pytest.raises(ContentChangedError):
            decisions.approve(session, actor=moderator, case_id=case.id, content_hash="0" * 64, now=now, hold=AT_ONCE)
        assert publication.status is PublicationStatus.PENDING

    def test_refuses_what_was_changed_behind_its_back(self, session, case, publication, moderator, now):
        session.execute(
            sa.text("UPDATE character_publications SET title = 'Buy here' WHERE id = :id"), {"id": publication.id}
        )
        with pytest.raises(ContentChangedError):
            self.approve(session, moderator, case, publication, now)

    def test_needs_a_claim(self, session, creator, moderator, now):
        case = make_waiting_case(session, owner=creator, now=now)
        publication = session.get_one(CharacterPublication, case.publication_id)
        with pytest.raises(NotClaimedError):
            self.approve(session, moderator, case, publication, now)

    def test_needs_a_claim_that_has_not_ended(self, session, case, publication, moderator, now):
        with pytest.raises(NotClaimedError):
            self.approve(session, moderator, case, publication, now + review_rules.CLAIM)

    def test_refuses_another_moderator(self, session, case, publication, other_moderator, now):
        with pytest.raises(NotClaimedError):
            self.approve(session, other_moderator, case, publication, now)

    def test_refuses_ones_own_listing_even_when_claimed(self, session, now):
        both = make_actor(session, RoleName.CREATOR, RoleName.MODERATOR)
        case = make_waiting_case(session, owner=both, now=now)
        publication = session.get_one(CharacterPublication, case.publication_id)
        case.state, case.claimed_by_id, case.claim_expires_at = (
            CaseState.CLAIMED,
            both.user_id,
            now + review_rules.CLAIM,
        )
        session.flush()
        with pytest.raises(OwnPublicationError):
            self.approve(session, both, case, publication, now)

    def test_refuses_what_was_withdrawn(self, session, case, publication, creator, moderator, now):
        listings.withdraw(session, actor=creator, publication_id=publication.id, now=now)
        with pytest.raises(NotUnderReviewError):
            self.approve(session, moderator, case, publication, now)

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.STAFF, RoleName.ADMIN])
    def test_is_for_moderators(self, session, case, publication, now, role):
        with pytest.raises(ForbiddenError):
            self.approve(session, make_actor(session, role), case, publication, now)

    def test_does_not_find_a_case_that_is_not(self, session, moderator, publication, now):
        with pytest.raises(NotFoundError):
            decisions.approve(
                session,
                actor=moderator,
                case_id=publication.id,
                content_hash=publication.content_hash,
                now=now,
                hold=AT_ONCE,
            )


class TestReject:
    def reject(self, session, actor, case, publication, now, *reasons, note=""):
        return decisions.reject(
            session,
            actor=actor,
            case_id=case.id,
            content_hash=publication.content_hash,
            reasons=reasons,
            now=now,
            note=note,
            hold=AT_ONCE,
        )

    def test_tells_the_creator_why_and_where(self, session, case, publication, creator, moderator, now):
        whole = Reason("spam")
        self.reject(session, moderator, case, publication, now, THIN, whole, THIN, note="Nearly there")
        assert publication.status is PublicationStatus.REJECTED
        feedback = review_queries.feedback_for(session, actor=creator, character_id=publication.character_id)
        assert [(f.field, f.reason.code, f.comment) for f in feedback] == [
            ("description", "thin_description", "Say what he wants."),
            ("", "spam", ""),
        ]
        assert feedback[0].reason.message_zh
        decided = review_queries.find_decision(session, actor=creator, publication_id=publication.id)
        assert (decided.decision.note, decided.moderator_name) == ("Nearly there", moderator.name)

    def test_is_told_to_nobody_else(self, session, case, publication, other_creator, moderator, now):
        self.reject(session, moderator, case, publication, now, THIN)
        assert review_queries.feedback_for(session, actor=other_creator, character_id=publication.character_id) == []
        assert review_queries.find_decision(session, actor=other_creator, publication_id=publication.id) is None

    def test_is_answered_by_the_next_submission(self, session, case, publication, creator, moderator, now):
        self.reject(session, moderator, case, publication, now, THIN)
        character = session.get_one(Character, publication.character_id)
        later = make_listing(session, owner=creator, now=now + timedelta(hours=1), character=character, title="Better")
        assert later.status is PublicationStatus.PENDING
        assert review_queries.feedback_for(session, actor=creator, character_id=character.id) == []

    def test_leaves_the_live_predecessor_live(self, session, creator, moderator, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        character = session.get_one(Character, live.character_id)
        case = make_claimed_case(
            session, owner=creator, moderator=moderator, now=now, character=character, title="Second"
        )
        publication = session.get_one(CharacterPublication, case.publication_id)
        self.reject(session, moderator, case, publication, now, THIN)
        assert live.status is PublicationStatus.APPROVED
        assert character.status is CharacterStatus.PUBLISHED

    @pytest.mark.parametrize(
        "reasons",
        [
            (),
            (Reason("no_such_reason"),),
            (Reason("spam", "password"),),
            (Reason("spam", "", "x" * 4001),),
            (Reason(""),),
        ],
    )
    def test_needs_reasons_that_exist(self, session, case, publication, moderator, now, reasons):
        with pytest.raises(ReasonsInvalidError):
            self.reject(session, moderator, case, publication, now, *reasons)
        assert case.state is CaseState.CLAIMED

    def test_gives_the_same_decision_on_a_double_click(self, session, case, publication, moderator, now):
        first = self.reject(session, moderator, case, publication, now, THIN)
        assert self.reject(session, moderator, case, publication, now, THIN) is first

    def test_cannot_follow_an_approval(self, session, case, publication, moderator, now):
        decisions.approve(
            session, actor=moderator, case_id=case.id, content_hash=publication.content_hash, now=now, hold=AT_ONCE
        )
        with pytest.raises(NotUnderReviewError):
            self.reject(session, moderator, case, publication, now, THIN)

    def test_refuses_a_note_that_is_too_long(self, session, case, publication, moderator, now):
        with pytest.raises(ReasonsInvalidError):
            self.reject(session, moderator, case, publication, now, THIN, note="x" * 4001)


class TestCreatorRecord:
    def test_counts_what_was_decided(self, session, creator, moderator, now):
        make_live_listing(session, owner=creator, moderator=moderator, now=now)
        make_waiting_case(session, owner=creator, now=now)
        record = records.creator_record(session, actor=moderator, publisher_id=creator.user_id)
        assert (record.approved, record.rejected, record.pending, record.last_decided_at) == (1, 0, 1, now)

    def test_is_for_reviewers(self, session, creator):
        with pytest.raises(ForbiddenError):
            records.creator_record(session, actor=creator, publisher_id=creator.user_id)


class TestConstraints:
    """What PostgreSQL itself refuses, whoever writes."""

    @pytest.mark.parametrize(
        ("sets", "constraint"),
        [
            ("state = 'waiting'", "claimed_goes_with_a_holder"),
            ("claimed_by_id = NULL", "claimed_goes_with_a_holder"),
            ("claim_expires_at = NULL", "claimed_goes_with_a_holder"),
            ("closed_at = now()", "closed_goes_with_state"),
            ("state = 'decided', claimed_by_id = NULL, claim_expires_at = NULL", "closed_goes_with_state"),
            ("state = 'nonsense'", "ck_review_cases"),
        ],
    )
    def test_refuses_what_no_case_may_be(self, session, case, sets, constraint):
        with pytest.raises(sa.exc.IntegrityError, match=constraint):
            session.execute(sa.text(f"UPDATE review_cases SET {sets} WHERE id = :id"), {"id": case.id})

    def test_refuses_a_second_open_case(self, session, case, now):
        with pytest.raises(sa.exc.IntegrityError, match="uq_review_cases_publication_id_open"):
            session.execute(
                sa.text(
                    "INSERT INTO review_cases (id, publication_id, state, opened_at, due_at)"
                    " VALUES (gen_random_uuid(), :p, 'waiting', now(), now())"
                ),
                {"p": case.publication_id},
            )

    def test_refuses_to_decide_twice(self, session, case, publication, moderator, now):
        decisions.approve(
            session, actor=moderator, case_id=case.id, content_hash=publication.content_hash, now=now, hold=AT_ONCE
        )
        session.add(
            ReviewDecision(
                case_id=case.id,
                moderator_id=moderator.user_id,
                outcome=Outcome.REJECTED,
                content_hash="x",
                decided_at=now,
            )
        )
        with pytest.raises(sa.exc.IntegrityError, match="uq_review_decisions_case_id"):
            session.flush()

    def test_refuses_to_change_a_decision(self, session, case, publication, moderator, now):
        decisions.approve(
            session, actor=moderator, case_id=case.id, content_hash=publication.content_hash, now=now, hold=AT_ONCE
        )
        with pytest.raises(sa.exc.DBAPIError, match="review_decisions"):
            session.execute(sa.text("UPDATE review_decisions SET outcome = 'rejected'"))
