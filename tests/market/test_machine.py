"""Whatever people do in whatever order, listings and cases agree with each other."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy.orm import Session

from studio.accounts.permissions import RoleName
from studio.authoring.models import Character, CharacterStatus
from studio.kit.errors import StudioError
from studio.market import listings, review, screening
from studio.market.checks import CHECKS
from studio.market.checks.base import Finding
from studio.market.models import CaseState, CharacterPublication, PublicationStatus, ReviewCase, ReviewDecision
from studio.market.rules import Reason
from tests.factories.accounts import make_actor
from tests.factories.market import make_card, make_listing

OPEN = {CaseState.SCREENING, CaseState.WAITING, CaseState.CLAIMED}


class Market(RuleBasedStateMachine):
    engine: ClassVar[sa.Engine]

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.engine.connect()
        self.outer = self.connection.begin()
        self.session = Session(self.connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
        self.now = datetime(2026, 11, 23, 9, tzinfo=UTC)
        self.owner = make_actor(self.session, RoleName.CREATOR)
        self.moderators = [make_actor(self.session, RoleName.MODERATOR) for _ in range(2)]
        self.character = make_card(self.session, owner=self.owner, now=self.now)
        self.made = 0

    def teardown(self) -> None:
        self.session.close()
        self.outer.rollback()
        self.connection.close()

    def attempt(self, doing):
        """A refusal is fine; what it refused must have changed nothing, which the invariants see."""
        try:
            with self.session.begin_nested():
                doing()
        except StudioError:
            pass

    def newest(self):
        return self.session.scalars(
            sa.select(CharacterPublication).order_by(CharacterPublication.id.desc()).limit(1)
        ).one()

    def cases(self):
        return self.session.scalars(sa.select(ReviewCase).order_by(ReviewCase.id)).all()

    @rule()
    def submit(self):
        self.made += 1
        self.now += timedelta(minutes=1)
        self.attempt(
            lambda: make_listing(
                self.session, owner=self.owner, now=self.now, character=self.character, title=f"Edition {self.made}"
            )
        )

    @rule(minutes=st.sampled_from([1, 29, 31]))
    def wait(self, minutes):
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: self.made)
    @rule()
    def screen(self):
        for case in self.cases():
            screening.keep(self.session, case_id=case.id, findings={c: Finding() for c in CHECKS[:1]}, now=self.now)

    @precondition(lambda self: self.made)
    @rule(who=st.integers(0, 1), what=st.sampled_from(["claim", "release", "approve", "reject", "renew"]))
    def moderate(self, who, what):
        case, actor = self.cases()[-1], self.moderators[who]
        seen = self.session.get_one(CharacterPublication, case.publication_id).content_hash
        given = {"actor": actor, "case_id": case.id}
        match what:
            case "claim":
                self.attempt(lambda: review.claim(self.session, **given, now=self.now))
            case "release":
                self.attempt(lambda: review.release(self.session, **given))
            case "renew":
                self.attempt(lambda: review.renew(self.session, **given, now=self.now))
            case "approve":
                self.attempt(lambda: review.approve(self.session, **given, content_hash=seen, now=self.now))
            case _:
                self.attempt(
                    lambda: review.reject(
                        self.session, **given, content_hash=seen, reasons=[Reason("spam")], now=self.now
                    )
                )

    @precondition(lambda self: self.made)
    @rule(what=st.sampled_from(["withdraw", "unlist", "relist"]))
    def own(self, what):
        given = {"actor": self.owner, "publication_id": self.newest().id}
        if what == "withdraw":
            given["now"] = self.now
        self.attempt(lambda: getattr(listings, what)(self.session, **given))

    @invariant()
    def rows_agree(self):
        self.session.flush()
        self.session.expire_all()
        publications = self.session.scalars(sa.select(CharacterPublication)).all()
        decided = {d.case_id: d for d in self.session.scalars(sa.select(ReviewDecision))}
        by_publication = {case.publication_id: case for case in self.cases()}
        for publication in publications:
            case = by_publication[publication.id]
            assert (publication.status is PublicationStatus.PENDING) == (case.state in OPEN)
            assert (publication.status is PublicationStatus.WITHDRAWN) == (case.state is CaseState.WITHDRAWN)
            assert (case.state is CaseState.DECIDED) == (case.id in decided)
            if publication.status in {PublicationStatus.APPROVED, PublicationStatus.UNLISTED}:
                assert decided[case.id].outcome == "approved"
            if publication.status is PublicationStatus.REJECTED:
                assert decided[case.id].outcome == "rejected"
        live = [p for p in publications if p.status is PublicationStatus.APPROVED]
        character = self.session.get_one(Character, self.character.id)
        assert (character.status is CharacterStatus.PUBLISHED) == bool(live)


@pytest.mark.slow
def test_listings_and_cases_agree_whatever_people_do(engine):
    run_state_machine_as_test(
        type("Bound", (Market,), {"engine": engine}),
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
