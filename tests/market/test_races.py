"""Two people at once, with real connections and threads."""

import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.kit.db import session_scope
from studio.kit.errors import StudioError
from studio.market.catalogue import listings
from studio.market.catalogue.errors import AlreadyPendingError
from studio.market.models import CharacterPublication, PublicationStatus, ReviewCase, ReviewDecision
from studio.market.review import claims, decisions
from studio.market.review.errors import ClaimedByOtherError
from studio.market.review.rules import AT_ONCE, Reason
from tests.factories.accounts import make_actor
from tests.factories.market import make_card, make_claimed_case, make_listing, make_waiting_case
from tests.threads import at_once


class TestRaces:
    def test_two_claims_have_one_winner(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            people = [make_actor(session, RoleName.MODERATOR) for _ in range(4)]
            case_id = make_waiting_case(session, owner=owner, now=now).id
        outcomes = at_once(
            committed_database.engine,
            *(lambda s, who=who: claims.claim(s, actor=who, case_id=case_id, now=now) for who in people),
        )
        won = [outcome for outcome in outcomes if isinstance(outcome, ReviewCase)]
        assert len(won) == 1
        assert sum(isinstance(outcome, ClaimedByOtherError) for outcome in outcomes) == 3

    def test_approve_and_reject_decide_once(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            moderator = make_actor(session, RoleName.MODERATOR)
            case = make_claimed_case(session, owner=owner, moderator=moderator, now=now)
            case_id, seen = case.id, session.get_one(CharacterPublication, case.publication_id).content_hash
        given = {"actor": moderator, "case_id": case_id, "content_hash": seen, "now": now}
        outcomes = at_once(
            committed_database.engine,
            lambda s: decisions.approve(s, **given, hold=AT_ONCE),
            lambda s: decisions.reject(s, reasons=[Reason("spam")], **given, hold=AT_ONCE),
            lambda s: decisions.approve(s, **given, hold=AT_ONCE),
        )
        assert any(isinstance(outcome, StudioError) for outcome in outcomes)
        with session_scope(committed_database.engine) as session:
            [decision] = session.scalars(sa.select(ReviewDecision)).all()
            [publication] = session.scalars(sa.select(CharacterPublication)).all()
            assert publication.status.value == decision.outcome.value

    def test_withdraw_and_approve_agree(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            moderator = make_actor(session, RoleName.MODERATOR)
            case = make_claimed_case(session, owner=owner, moderator=moderator, now=now)
            case_id, publication_id = case.id, case.publication_id
            seen = session.get_one(CharacterPublication, publication_id).content_hash
        outcomes = at_once(
            committed_database.engine,
            lambda s: listings.withdraw(s, actor=owner, publication_id=publication_id, now=now),
            lambda s: decisions.approve(s, actor=moderator, case_id=case_id, content_hash=seen, now=now, hold=AT_ONCE),
        )
        assert sum(isinstance(outcome, StudioError) for outcome in outcomes) == 1
        with session_scope(committed_database.engine) as session:
            status = session.get_one(CharacterPublication, publication_id).status
            decided = session.scalar(sa.select(sa.func.count()).select_from(ReviewDecision))
            assert (status, decided) in {(PublicationStatus.WITHDRAWN, 0), (PublicationStatus.APPROVED, 1)}

    def test_two_different_submissions_have_one_winner(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            character = make_card(session, owner=owner, now=now)
        outcomes = at_once(
            committed_database.engine,
            *(lambda s, t=t: make_listing(s, owner=owner, now=now, character=character, title=t) for t in "abc"),
        )
        assert sum(isinstance(outcome, AlreadyPendingError) for outcome in outcomes) == 2
        with session_scope(committed_database.engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(ReviewCase)) == 1
