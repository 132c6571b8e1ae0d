"""Whatever creators, moderators, reporters, buyers and workers do in whatever order and at once: no illegal state.

`make nightly` runs 2,000 lives of 50 steps; `make test` a few. PostgreSQL is asked after every step whether the rows agree.
"""

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.authoring.models import Character, CharacterStatus
from studio.kit.db import session_scope
from studio.market.catalogue import listings, publishing, withheld
from studio.market.catalogue.transitions import ENDED, OPEN_CASES
from studio.market.models import (
    Appeal,
    AppealState,
    CaseState,
    CharacterPublication,
    LicenseType,
    ListingReport,
    Outcome,
    PublicationStatus,
    Purchase,
    ReportReason,
    ReviewCase,
    ReviewDecision,
)
from studio.market.money import queries as money_queries
from studio.market.review import appeals, claims, decisions, effects, recalls, reports, schedules
from studio.market.review.rules import Reason
from studio.market.screening import screening
from studio.market.screening.checks import CHECKS
from studio.market.screening.checks.base import Finding
from studio.providers.payments import EventKind
from tests.factories.accounts import make_actor
from tests.factories.market import make_card, make_listing
from tests.factories.money import begin, tell
from tests.threads import at_once

RUNS = int(os.environ.get("STUDIO_NIGHTLY_RUNS", "6"))
STEPS = 50 if "STUDIO_NIGHTLY_RUNS" in os.environ else 25
S = PublicationStatus
L = LicenseType
DESK = ("claim", "release", "renew", "approve", "request_changes", "reject", "take_down", "severe", "undo", "agree")
DESK_ALSO = ("decline", "hide", "put_back", "again", "answer_yes", "answer_no", "dismiss", "severe_reject")
OWN = ("withdraw", "unlist", "relist", "schedule", "at_once", "appeal", "archive", "restore")
DECIDED = ("listing.approve", "listing.request_changes", "listing.reject", "listing.take_down")


class ReviewMachine(RuleBasedStateMachine):
    """One creator with one character, three moderators (one of whom is the creator too), two reporters who buy too, two workers."""

    engine: ClassVar[sa.Engine]

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 23, 9, tzinfo=UTC)
        with session_scope(self.engine) as session:
            self.owner = make_actor(session, RoleName.CREATOR, RoleName.MODERATOR)
            self.moderators = [self.owner, *(make_actor(session, RoleName.MODERATOR) for _ in range(2))]
            self.reporters = [make_actor(session, RoleName.CREATOR) for _ in range(2)]
            self.character_id = make_card(session, owner=self.owner, now=self.now).id
        self.made = 0

    def do(self, *doings):
        """Each of `doings` in a thread and a transaction of its own; a refusal is fine, an error of PostgreSQL's is none."""
        return at_once(self.engine, *doings)

    def newest(self, session):
        return session.scalars(
            sa.select(CharacterPublication)
            .where(CharacterPublication.character_id == self.character_id)
            .order_by(CharacterPublication.id.desc())
            .limit(1)
        ).one()

    def all_of(self, session):
        return session.scalars(
            sa.select(CharacterPublication).where(CharacterPublication.character_id == self.character_id)
        ).all()

    @rule(hours=st.sampled_from([None, None, 1]), license_type=st.sampled_from([L.PREMIUM, L.EXCLUSIVE, L.EXCLUSIVE]))
    def submit(self, hours, license_type):
        self.made += 1
        self.now += timedelta(seconds=1)
        at = None if hours is None else self.now + timedelta(hours=hours)

        def run(session):
            character = session.get_one(Character, self.character_id)
            return make_listing(
                session, owner=self.owner, now=self.now, character=character, title=f"Edition {self.made}",
                publish_at=at, license_type=license_type,
            ).id  # fmt: skip

        self.do(run, run)

    @rule(seconds=st.sampled_from([1, 11, 2_000, 4_000]))
    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.made)
    @rule()
    def screen(self):
        def run(session):
            cases = sa.select(ReviewCase.id).join(CharacterPublication).where(
                CharacterPublication.character_id == self.character_id, ReviewCase.state == CaseState.SCREENING
            )  # fmt: skip
            for case_id in session.scalars(cases).all():
                screening.keep(session, case_id=case_id, findings={c: Finding() for c in CHECKS[:1]}, now=self.now)

        self.do(run)

    @precondition(lambda self: self.made)
    @rule(who=st.integers(0, 2))
    def claim(self, who):
        self.do(lambda session: self.moderate(session, who, "claim"))

    @precondition(lambda self: self.made)
    @rule(doings=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(DESK + DESK_ALSO)), min_size=1, max_size=3))
    def work_at_the_desk(self, doings):
        """One to three moderators press at once."""
        self.do(*(lambda session, who=who, what=what: self.moderate(session, who, what) for who, what in doings))

    @precondition(lambda self: self.made)
    @rule(outcome=st.sampled_from(["approve", "approve", "approve", "reject", "request_changes"]))
    def go_all_the_way(self, outcome):
        """A review without accidents, so that what can only follow it is tried often enough."""
        self.screen()
        for what in ("claim", outcome):
            self.do(lambda session, what=what: self.moderate(session, 1, what))
        self.now += timedelta(seconds=11)
        self.do(lambda session: effects.release_due(session, now=self.now))

    def moderate(self, session, who, what):
        publication = self.newest(session)
        given = {"session": session, "actor": self.moderators[who], "now": self.now}
        doings = self.to_the_listing(given, publication)
        case = session.scalars(
            sa.select(ReviewCase)
            .where(ReviewCase.publication_id == publication.id)
            .order_by(ReviewCase.id.desc())
            .limit(1)
        ).one()
        doings |= self.to_the_case({**given, "case_id": case.id}, publication.content_hash)
        doings[what]()

    def to_the_listing(self, given, publication):
        about = {**given, "publication_id": publication.id}
        report = sa.select(ListingReport.id).where(ListingReport.publication_id == publication.id).limit(1)
        reported = given["session"].scalar(report)
        return {
            "hide": lambda: recalls.quarantine(**about, reason="Look at this."),
            "again": lambda: recalls.review_again(**about, reason="Look at this."),
            "put_back": lambda: recalls.release(**about),
            "dismiss": lambda: reported and reports.dismiss(**given, report_id=reported),
            "answer_yes": lambda: self.answer(given["session"], given["actor"], upholds=True),
            "answer_no": lambda: self.answer(given["session"], given["actor"], upholds=False),
        }

    def to_the_case(self, given, content_hash):
        seen = {**given, "content_hash": content_hash}
        against = {**seen, "reasons": [Reason("spam", "listing.title")]}
        without_time = {name: value for name, value in given.items() if name != "now"}
        return {
            "claim": lambda: claims.claim(**given),
            "renew": lambda: claims.renew(**given),
            "release": lambda: claims.release(**without_time),
            "undo": lambda: decisions.undo(**given),
            "agree": lambda: decisions.second(**given, agrees=True),
            "decline": lambda: decisions.second(**given, agrees=False),
            "approve": lambda: decisions.approve(**seen),
            "request_changes": lambda: decisions.request_changes(**against),
            "reject": lambda: decisions.reject(**against),
            "take_down": lambda: decisions.take_down(**against),
            "severe": lambda: decisions.take_down(**against, is_severe=True),
            "severe_reject": lambda: decisions.reject(**against, is_severe=True),
        }

    def answer(self, session, actor, *, upholds):
        found = session.scalars(
            sa.select(Appeal.id)
            .where(Appeal.appellant_id == self.owner.user_id, Appeal.state == AppealState.OPEN)
            .limit(1)
        ).first()
        if found is not None:
            appeals.answer(session, actor=actor, appeal_id=found, upholds=upholds, text="Read again.", now=self.now)

    @precondition(lambda self: self.made)
    @rule(doings=st.lists(st.sampled_from(OWN), min_size=1, max_size=2))
    def own(self, doings):
        def doing(what):
            def run(session):
                given = {"session": session, "actor": self.owner, "now": self.now}
                if what in {"archive", "restore"}:
                    return getattr(characters, what)(**given, character_id=self.character_id)
                given["publication_id"] = self.newest(session).id
                match what:
                    case "schedule":
                        return schedules.set_time(**given, publish_at=self.now + timedelta(minutes=30))
                    case "at_once":
                        return schedules.set_time(**given, publish_at=None)
                    case "appeal":
                        return appeals.appeal(**given, text="It is not spam.")
                    case _:
                        return getattr(listings, what)(**given)

            return run

        self.do(*(doing(what) for what in doings))

    @precondition(lambda self: self.made)
    @rule(who=st.sets(st.integers(0, 1), min_size=1), reason=st.sampled_from(list(ReportReason)[:4]))
    def report(self, who, reason):
        def doing(reporter):
            def run(session):
                live = next((one for one in self.all_of(session) if one.status is S.APPROVED), None)
                if live is not None:
                    reports.report(
                        session, actor=reporter, publication_id=live.id, reason=reason, comment="x", now=self.now
                    )

            return run

        self.do(*(doing(self.reporters[one]) for one in who))

    @precondition(lambda self: self.made)
    @rule(who=st.sets(st.integers(0, 1), min_size=1))
    def buy(self, who):
        """One or two people begin to buy what is live."""

        def doing(buyer):
            def run(session):
                live = next((one for one in self.all_of(session) if one.status is S.APPROVED), None)
                if live is not None:
                    begin(session, buyer=buyer, offer=live, now=self.now)

            return run

        self.do(*(doing(self.reporters[one]) for one in who))

    @precondition(lambda self: self.made)
    @rule(
        kind=st.sampled_from([EventKind.PAID, EventKind.PAID, EventKind.FAILED, EventKind.REFUNDED]),
        looks=st.booleans(),
    )
    def the_provider_tells(self, kind, looks):
        """It tells it of every purchase, twice and at once, while a moderator may put the listing back."""
        with session_scope(self.engine) as session:
            bought = sa.select(Purchase.id).where(Purchase.character_id == self.character_id).order_by(Purchase.id)
            ids = session.scalars(bought).all()[-2:]

        def telling(purchase_id):
            return lambda session: tell(session, session.get_one(Purchase, purchase_id), kind, now=self.now)

        also = [lambda session: self.moderate(session, 2, "put_back")] if looks else []
        if not ids:
            return
        self.do(*map(telling, [*ids, *ids]), *also)

    @precondition(lambda self: self.made)
    @rule(
        way=st.sampled_from(
            [("severe", 2, "decline"), ("severe", 1, "undo"), ("severe", 2, "agree"), ("hide", 1, "put_back"),
             ("severe_reject", 2, "decline"), ("reject", 2, "answer_yes"), ("take_down", 2, "answer_yes")]
        ),
        archives=st.booleans(),
    )  # fmt: skip
    def sell_while_somebody_looks(self, way, archives):
        """Somebody pays, a moderator steps in, the money comes (or the creator archives it), and then it is put back."""
        first, who, then = way
        self.buy({0})
        self.do(lambda session: self.moderate(session, 1, "again"))
        self.screen()
        for what in ("claim", first):
            self.do(lambda session, what=what: self.moderate(session, 1, what))
        if then == "answer_yes":
            self.now += timedelta(seconds=11)
            self.do(lambda session: effects.release_due(session, now=self.now))
            self.own(["appeal"])
        if archives:
            self.own(["archive"])
        self.the_provider_tells(EventKind.PAID, looks=False)
        self.do(lambda session: self.moderate(session, who, then))

    @precondition(lambda self: self.made)
    @rule()
    def tamper(self):
        """Somebody changes a listing that waits, behind everybody's back."""
        with session_scope(self.engine) as session:
            session.execute(
                sa.text(
                    "UPDATE character_publications SET description = description || '.' "
                    "WHERE character_id = :id AND status IN ('pending', 'scheduled')"
                ),
                {"id": self.character_id},
            )

    @rule()
    def workers(self):
        """Two workers let go what is due, at once, with whoever presses Undo."""
        self.do(
            lambda session: effects.release_due(session, now=self.now),
            lambda session: schedules.publish_due(session, now=self.now),
            lambda session: listings.withdraw_archived(session, now=self.now),
            *([lambda session: self.moderate(session, 1, "undo")] if self.made else []),
            lambda session: effects.release_due(session, now=self.now),
        )

    @invariant()
    def rows_agree(self):
        with session_scope(self.engine) as session:
            publications = self.all_of(session)
            cases = session.scalars(
                sa.select(ReviewCase).where(ReviewCase.publication_id.in_([one.id for one in publications]))
            ).all()
            decisions = session.scalars(
                sa.select(ReviewDecision).where(ReviewDecision.case_id.in_([case.id for case in cases]))
            ).all()
            self.listings_agree_with_the_market(session, publications)
            self.cases_agree_with_listings(publications, cases)
            self.decisions_agree_with_cases(cases, decisions)
            self.what_is_live_was_approved(session, publications, cases, decisions)
            self.every_effect_happened_once(session, publications, decisions)
            self.nobody_judged_themselves(session, decisions)
            self.two_people_took_down_what_was_severe(publications, cases, decisions)
            self.what_was_sold_alone_is_offered_to_nobody(session, publications)

    def two_people_took_down_what_was_severe(self, publications, cases, decisions):
        case_of = {case.id: case for case in cases}
        live_since = {one.id: one.published_at for one in publications}
        for decision in decisions:
            case = case_of[decision.case_id]
            live = live_since[case.publication_id]
            was_live = live is not None and live < decision.decided_at
            if decision.is_severe and decision.effected_at is not None and was_live:
                assert decision.outcome is Outcome.TAKEN_DOWN
                assert decision.second_id is not None
            overturned = {
                person
                for former in decisions
                if former.overturned_at is not None
                and former.overturned_at <= case.opened_at
                and case_of[former.case_id].publication_id == case.publication_id
                for person in (former.moderator_id, former.second_id)
            }
            assert decision.moderator_id not in overturned

    def what_was_sold_alone_is_offered_to_nobody(self, session, publications):
        if money_queries.is_sold_exclusively(session, character_id=self.character_id):
            assert not any(one.status in {S.APPROVED, S.PENDING} for one in publications)
        hidden = {one.version_number for one in publications if one.status is S.QUARANTINED and one.published_at}
        assert hidden <= withheld.of_character(session, character_id=self.character_id).keys()

    def listings_agree_with_the_market(self, session, publications):
        live = [one for one in publications if one.status is S.APPROVED]
        assert len(live) <= 1
        character = session.get_one(Character, self.character_id)
        assert (character.status is CharacterStatus.PUBLISHED) == bool(live)
        assert sum(one.status in {S.PENDING, S.SCHEDULED} for one in publications) <= 1

    def cases_agree_with_listings(self, publications, cases):
        open_cases = Counter(case.publication_id for case in cases if case.state in OPEN_CASES)
        for one in publications:
            count = open_cases[one.id]
            if one.status in {S.PENDING, S.QUARANTINED}:
                assert count == 1, one.status
            elif one.status in ENDED:
                assert count == 0, one.status
            else:
                assert count <= 1

    def decisions_agree_with_cases(self, cases, decisions):
        for case in cases:
            standing = [d for d in decisions if d.case_id == case.id and d.undone_at is None]
            assert len(standing) == (case.state in {CaseState.DECIDING, CaseState.DECIDED}), case.state
            for decision in standing:
                assert (decision.effected_at is not None) == (case.state is CaseState.DECIDED)

    def what_is_live_was_approved(self, session, publications, cases, decisions):
        of = {case.id: case.publication_id for case in cases}
        for one in publications:
            if one.status is S.APPROVED:
                # What a severe decision keeps from buyers is not on the market either.
                assert withheld.find_judgement(session, one) is None
            if one.status not in {S.APPROVED, S.UNLISTED}:
                continue
            seen = {
                d.content_hash
                for d in decisions
                if of[d.case_id] == one.id and d.outcome is Outcome.APPROVED and d.effected_at is not None
            }
            assert one.content_hash in seen
            assert publishing.current_hash(session, one) == one.content_hash

    def every_effect_happened_once(self, session, publications, decisions):
        told = session.scalar(
            sa.select(sa.func.count()).where(
                AuditEntry.action.in_(DECIDED), AuditEntry.resource_id.in_([one.id for one in publications])
            )
        )
        assert told == sum(d.effected_at is not None for d in decisions)

    def nobody_judged_themselves(self, session, decisions):
        for decision in decisions:
            assert self.owner.user_id not in {decision.moderator_id, decision.second_id}
            assert decision.second_id != decision.moderator_id
        rows = session.execute(
            sa.select(Appeal.decided_by_id, ReviewDecision.moderator_id)
            .join(ReviewDecision, ReviewDecision.id == Appeal.decision_id)
            .where(Appeal.appellant_id == self.owner.user_id)
        )
        assert all(decided_by != moderator for decided_by, moderator in rows)


@pytest.mark.slow
def test_no_state_is_illegal_whatever_happens_at_once(committed_database):
    run_state_machine_as_test(
        type("Bound", (ReviewMachine,), {"engine": committed_database.engine}),
        settings=settings(
            max_examples=RUNS, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
