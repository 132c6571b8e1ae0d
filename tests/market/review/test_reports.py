"""Reports: merged, counted, brought to the desk when they weigh enough, closed when somebody has looked; and recalls."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from studio.accounts.permissions import RoleName
from studio.authoring.models import Character, CharacterStatus
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, NotFoundError, StudioError
from studio.market.catalogue import cases, flags, listings, queries
from studio.market.catalogue.due import Pace
from studio.market.catalogue.errors import QuarantinedError, StepImpossibleError
from studio.market.models import (
    CaseState,
    CharacterPublication,
    FlagKind,
    ListingReport,
    ListingReporter,
    Notice,
    PublicationStatus,
    ReportReason,
    ReportState,
)
from studio.market.review import claims, decisions, effects, recalls, report_rules, reports
from studio.market.review.errors import (
    DecisionMadeError,
    NothingToSayError,
    OwnPublicationError,
    OwnReportError,
    ReportClosedError,
    ReportInvalidError,
    TooManyReportsError,
)
from studio.market.review.rules import AT_ONCE, UNDO, Reason
from studio.market.screening import screening
from tests.factories.accounts import make_actor
from tests.factories.market import (
    case_of,
    make_card,
    make_claimed_case,
    make_listing,
    make_live_listing,
    make_report,
)
from tests.threads import at_once

R = ReportReason
S = PublicationStatus
HOUR = timedelta(hours=1)


@pytest.fixture
def live(session, creator, moderator, now):
    return make_live_listing(session, owner=creator, moderator=moderator, now=now)


@pytest.fixture
def people(session):
    return [make_actor(session, RoleName.CREATOR) for _ in range(5)]


def kinds(session, publication):
    return {flag.kind for flag in flags.list_open(session, publication_ids=[publication.id]).get(publication.id, ())}


def decide(session, act, *, moderator, publication, now, **more):
    case = case_of(session, publication)
    case.state = CaseState.WAITING
    session.flush()
    given = {"actor": moderator, "case_id": case.id, "now": now}
    claims.claim(session, **given)
    return act(session, **given, content_hash=publication.content_hash, hold=AT_ONCE, **more)


class TestReport:
    def test_of_several_people_for_one_reason_is_one(self, session, live, people, moderator, now):
        rows = {make_report(session, reporter=one, publication=live, now=now).id for one in people[:3]}
        assert len(rows) == 1
        row = session.get_one(ListingReport, rows.pop())
        assert (row.reporter_count, row.state) == (3, ReportState.OPEN)
        names = [voice.name for voice in reports.list_voices(session, actor=moderator, report_id=row.id)]
        assert names == [one.name for one in people[:3]]

    def test_twice_by_one_person_counts_once_and_keeps_the_newer_words(self, session, live, people, moderator, now):
        make_report(session, reporter=people[0], publication=live, now=now)
        row = make_report(session, reporter=people[0], publication=live, now=now, comment="Here: page 3.")
        assert row.reporter_count == 1
        [voice] = reports.list_voices(session, actor=moderator, report_id=row.id)
        assert voice.reporter.comment == "Here: page 3."
        assert case_of(session, live).state is CaseState.DECIDED

    def test_of_two_people_brings_it_to_the_desk_and_leaves_it_live(self, session, live, people, now):
        make_report(session, reporter=people[0], publication=live, now=now)
        assert cases.find_open_case(session, publication_id=live.id) is None
        make_report(session, reporter=people[1], publication=live, now=now, reason=R.HATE)
        assert case_of(session, live).state is CaseState.SCREENING
        assert (live.status, live.notice) == (S.APPROVED, Notice.REPORTED)
        [flag] = flags.list_open(session, publication_ids=[live.id])[live.id]
        assert (flag.kind, flag.detail) == (FlagKind.REPORTED, "copyright 1, hate 1")

    def test_of_one_trusted_person_is_enough(self, session, live, staff, now):
        make_report(session, reporter=staff, publication=live, now=now)
        assert FlagKind.REPORTED in kinds(session, live)

    def test_of_minors_by_one_person_is_enough(self, session, live, people, now):
        make_report(session, reporter=people[0], publication=live, now=now, reason=R.MINORS)
        assert FlagKind.REPORTED in kinds(session, live)
        # Due at once, and so it stays when the checks are done, whatever the pace.
        case = case_of(session, live)
        assert case.due_at <= now
        screening.keep(session, case_id=case.id, findings={}, now=now, pace=Pace(days=5))
        assert (case.state, case.due_at) == (CaseState.WAITING, now)

    def test_is_refused_for_ones_own_for_what_is_not_live_and_without_words(self, session, live, creator, people, now):
        with pytest.raises(OwnReportError):
            make_report(session, reporter=creator, publication=live, now=now)
        with pytest.raises(ReportInvalidError):
            make_report(session, reporter=people[0], publication=live, now=now, reason=R.OTHER, comment=" ")
        with pytest.raises(ReportInvalidError):
            make_report(session, reporter=people[0], publication=live, now=now, comment="x" * 1001)
        listings.unlist(session, actor=creator, publication_id=live.id, now=now)
        with pytest.raises(NotFoundError):
            make_report(session, reporter=people[0], publication=live, now=now)

    def test_is_limited_by_the_day(self, session, live, people, now, monkeypatch):
        monkeypatch.setattr(report_rules, "MOST_A_DAY", 2)
        for reason in (R.HATE, R.COPYRIGHT):
            make_report(session, reporter=people[0], publication=live, now=now, reason=reason)
        with pytest.raises(TooManyReportsError):
            make_report(session, reporter=people[0], publication=live, now=now, reason=R.ADVERTISING)
        make_report(session, reporter=people[0], publication=live, now=now + 25 * HOUR, reason=R.ADVERTISING)

    def test_at_once_by_many_is_one_row_and_one_case(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            owner, moderator = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.MODERATOR)
            crowd = [make_actor(session, RoleName.CREATOR) for _ in range(6)]
            publication_id = make_live_listing(session, owner=owner, moderator=moderator, now=now).id
        outcomes = at_once(
            committed_database.engine,
            *(
                lambda s, who=who: make_report(
                    s, reporter=who, publication=s.get_one(CharacterPublication, publication_id), now=now
                )
                for who in crowd
            ),
        )
        assert not any(isinstance(outcome, StudioError) for outcome in outcomes)
        with session_scope(committed_database.engine) as session:
            [row] = session.scalars(sa.select(ListingReport)).all()
            assert row.reporter_count == 6
            assert cases.find_open_case(session, publication_id=publication_id) is not None


class TestAfterALook:
    def test_which_found_nothing_it_takes_as_many_again(self, session, live, people, moderator, now):
        for one in people[:2]:
            row = make_report(session, reporter=one, publication=live, now=now)
        decide(session, decisions.approve, moderator=moderator, publication=live, now=now)
        session.refresh(row)
        assert (row.state, row.reviewed_count, kinds(session, live)) == (ReportState.DISMISSED, 2, set())
        make_report(session, reporter=people[2], publication=live, now=now + HOUR)
        assert (row.state, kinds(session, live)) == (ReportState.DISMISSED, set())
        make_report(session, reporter=people[3], publication=live, now=now + HOUR)
        session.refresh(row)
        assert (row.state, kinds(session, live)) == (ReportState.OPEN, {FlagKind.REPORTED})

    def test_of_one_reason_the_others_weigh_as_before(self, session, live, moderator, now):
        crowd = [make_actor(session, RoleName.CREATOR) for _ in range(14)]
        for one in crowd[:10]:
            row = make_report(session, reporter=one, publication=live, now=now, reason=R.MISLEADING)
        decide(session, decisions.approve, moderator=moderator, publication=live, now=now)
        make_report(session, reporter=crowd[10], publication=live, now=now + HOUR)
        assert kinds(session, live) == set()
        make_report(session, reporter=crowd[11], publication=live, now=now + HOUR)
        assert kinds(session, live) == {FlagKind.REPORTED}
        [flag] = flags.list_open(session, publication_ids=[live.id])[live.id]
        assert flag.detail == "copyright 2"
        for one in crowd[11:]:
            make_report(session, reporter=one, publication=live, now=now + HOUR, reason=R.MISLEADING)
        session.refresh(row)
        assert (row.reporter_count, row.state) == (13, ReportState.DISMISSED)

    def test_a_trusted_person_opens_what_they_speak_of_and_nothing_else(
        self, session, live, people, staff, moderator, now
    ):
        rows = [
            make_report(session, reporter=people[0], publication=live, now=now, reason=one)
            for one in (R.HATE, R.COPYRIGHT)
        ]
        for row in rows:
            reports.dismiss(session, actor=moderator, report_id=row.id, now=now)
        make_report(session, reporter=staff, publication=live, now=now + HOUR, reason=R.COPYRIGHT)
        assert [row.state for row in rows] == [ReportState.DISMISSED, ReportState.OPEN]

    def test_who_was_always_wrong_brings_nothing_to_the_desk(self, session, creator, moderator, now):
        crying, crowd = make_actor(session, RoleName.CREATOR), [make_actor(session, RoleName.CREATOR) for _ in range(2)]
        for number in range(6):
            wrong = make_live_listing(session, owner=creator, moderator=moderator, now=now)
            row = make_report(session, reporter=crying, publication=wrong, now=now)
            if number < 5:
                reports.dismiss(session, actor=moderator, report_id=row.id, now=now)
        make_report(session, reporter=crowd[0], publication=wrong, now=now)
        assert (row.reporter_count, kinds(session, wrong)) == (2, set())
        make_report(session, reporter=crowd[1], publication=wrong, now=now)
        assert kinds(session, wrong) == {FlagKind.REPORTED}
        other = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        make_report(session, reporter=crying, publication=other, now=now, reason=R.MINORS)
        assert kinds(session, other) == {FlagKind.REPORTED}

    def test_what_was_added_after_it_makes_nobody_right_or_wrong(self, session, creator, people, moderator, now):
        for _ in range(5):
            listing = make_live_listing(session, owner=creator, moderator=moderator, now=now)
            row = make_report(session, reporter=people[0], publication=listing, now=now)
            reports.dismiss(session, actor=moderator, report_id=row.id, now=now)
            make_report(session, reporter=people[1], publication=listing, now=now + HOUR)
        heard = sa.select(ListingReporter.is_heard).where(ListingReporter.reporter_id == people[1].user_id)
        assert set(session.scalars(heard)) == {True}

    def test_which_found_something_those_who_said_so_are_trusted(self, session, creator, people, moderator, now):
        for _ in range(3):
            wrong = make_live_listing(session, owner=creator, moderator=moderator, now=now)
            for one in people[:2]:
                make_report(session, reporter=one, publication=wrong, now=now)
            decide(
                session, decisions.take_down, moderator=moderator, publication=wrong, now=now, reasons=[Reason("spam")]
            )
        assert wrong.status is S.TAKEN_DOWN
        assert reports.is_trusted(session, actor=people[0])
        assert not reports.is_trusted(session, actor=people[2])

    def test_dismiss_closes_one_and_takes_the_flag_down(self, session, live, people, moderator, creator, now):
        for one in people[:2]:
            row = make_report(session, reporter=one, publication=live, now=now)
        reports.dismiss(session, actor=moderator, report_id=row.id, now=now)
        assert (row.state, row.closed_by_id) == (ReportState.DISMISSED, moderator.user_id)
        assert kinds(session, live) == set()
        # Nothing is left to look at, and nothing that its creator should worry about.
        assert (case_of(session, live).state, live.notice, live.status) == (CaseState.WITHDRAWN, None, S.APPROVED)
        with pytest.raises(ReportClosedError):
            reports.dismiss(session, actor=moderator, report_id=row.id, now=now)
        with pytest.raises(ForbiddenError):
            reports.dismiss(session, actor=creator, report_id=row.id, now=now)

    def test_dismiss_leaves_a_listing_at_the_desk_that_is_looked_at_for_more(
        self, session, live, people, moderator, now
    ):
        for one in people[:2]:
            row = make_report(session, reporter=one, publication=live, now=now)
        recalls.review_again(session, actor=moderator, publication_id=live.id, reason="Odd greeting.", now=now)
        reports.dismiss(session, actor=moderator, report_id=row.id, now=now)
        assert (case_of(session, live).state, kinds(session, live)) == (CaseState.SCREENING, {FlagKind.REQUEUED})

    def test_what_is_reported_while_the_decision_is_held_back_is_not_answered_by_it(
        self, session, live, people, moderator, now
    ):
        for one in people[:2]:
            row = make_report(session, reporter=one, publication=live, now=now)
        case = case_of(session, live)
        case.state = CaseState.WAITING
        session.flush()
        given = {"actor": moderator, "case_id": case.id, "now": now + HOUR}
        claims.claim(session, **given)
        decisions.approve(session, **given, content_hash=live.content_hash)
        later = now + HOUR + timedelta(seconds=5)
        make_report(session, reporter=people[2], publication=live, now=later)
        fresh = make_report(session, reporter=people[3], publication=live, now=later, reason=R.MINORS)
        effects.release_due(session, now=now + HOUR + UNDO)
        session.expire_all()
        assert (row.state, row.reviewed_count, row.reporter_count) == (ReportState.DISMISSED, 2, 3)
        assert fresh.state is ReportState.OPEN
        assert (case_of(session, live).state, kinds(session, live)) == (CaseState.SCREENING, {FlagKind.REPORTED})

    def test_is_told_to_nobody_but_moderators(self, session, live, people, creator, now):
        row = make_report(session, reporter=people[0], publication=live, now=now)
        assert reports.list_voices(session, actor=creator, report_id=row.id) == []
        assert reports.list_of_listing(session, actor=people[0], publication_id=live.id) == []


class TestRules:
    @given(reporters=st.integers(0, 50), reviewed=st.integers(0, 20))
    def test_a_closed_report_opens_at_twice_as_many_and_stays_open_with_more(self, reporters, reviewed):
        opens = report_rules.reopens(reporters=reporters, reviewed=reviewed)
        assert opens == (reporters >= 2 and reporters >= 2 * reviewed)

    @pytest.mark.parametrize(
        ("people", "has_trusted", "is_grave", "is_enough"),
        [
            (0, False, False, False),
            (1, False, False, False),
            (2, False, False, True),
            (1, True, False, True),
            (1, False, True, True),
        ],
    )
    def test_two_people_or_one_who_is_trusted_or_what_is_grave_are_enough(
        self, people, has_trusted, is_grave, is_enough
    ):
        found = report_rules.is_enough(people=people, has_trusted=has_trusted, is_grave=is_grave)
        assert found is is_enough

    @given(right=st.integers(0, 50), wrong=st.integers(0, 50))
    def test_trust_needs_three_and_four_of_five(self, right, wrong):
        judged = right + wrong
        assert report_rules.is_trusted(right=right, judged=judged) == (judged >= 3 and right * 5 >= judged * 4)


class TestQuarantine:
    def hide(self, session, moderator, publication, now):
        return recalls.quarantine(
            session, actor=moderator, publication_id=publication.id, reason="Look at the third greeting.", now=now
        )

    def test_hides_at_once_and_waits_at_the_desk(self, session, live, moderator, other_creator, now):
        self.hide(session, moderator, live, now)
        assert (live.status, live.quarantined_from, live.notice) == (S.QUARANTINED, S.APPROVED, Notice.QUARANTINED)
        assert session.get_one(Character, live.character_id).status is CharacterStatus.DRAFT
        assert case_of(session, live).state is CaseState.SCREENING
        assert kinds(session, live) == {FlagKind.QUARANTINED}
        with pytest.raises(NotFoundError):
            queries.get_listing(session, actor=other_creator, publication_id=live.id)

    def test_takes_a_case_out_of_a_moderators_hands(self, session, creator, moderator, other_moderator, now):
        case = make_claimed_case(session, owner=creator, moderator=moderator, now=now)
        publication = session.get_one(CharacterPublication, case.publication_id)
        self.hide(session, other_moderator, publication, now)
        assert (publication.status, case.state, case.claimed_by_id) == (S.QUARANTINED, CaseState.WAITING, None)

    def test_comes_first_before_a_decision_but_not_after(self, session, creator, moderator, other_moderator, now):
        case = make_claimed_case(session, owner=creator, moderator=moderator, now=now)
        publication = session.get_one(CharacterPublication, case.publication_id)
        decisions.approve(session, actor=moderator, case_id=case.id, content_hash=publication.content_hash, now=now)
        with pytest.raises(DecisionMadeError):
            self.hide(session, other_moderator, publication, now)

    def test_is_put_back_to_where_it_was(self, session, live, moderator, now):
        self.hide(session, moderator, live, now)
        for _ in range(2):
            recalls.release(session, actor=moderator, publication_id=live.id, now=now)
        assert (live.status, live.notice) == (S.APPROVED, None)
        assert session.get_one(Character, live.character_id).status is CharacterStatus.PUBLISHED

    def test_ends_with_an_approval_or_a_takedown(self, session, creator, live, moderator, now):
        self.hide(session, moderator, live, now)
        decide(session, decisions.approve, moderator=moderator, publication=live, now=now)
        assert live.status is S.APPROVED
        self.hide(session, moderator, live, now)
        decide(session, decisions.take_down, moderator=moderator, publication=live, now=now, reasons=[Reason("spam")])
        assert live.status is S.TAKEN_DOWN

    def test_approves_what_never_was_live(self, session, creator, moderator, now):
        publication = make_listing(session, owner=creator, now=now)
        self.hide(session, moderator, publication, now)
        decide(session, decisions.approve, moderator=moderator, publication=publication, now=now)
        assert (publication.status, publication.published_at) == (S.APPROVED, now)

    def test_keeps_the_creator_from_offering_it_anew(self, session, live, creator, moderator, now):
        self.hide(session, moderator, live, now)
        character = session.get_one(Character, live.character_id)
        with pytest.raises(QuarantinedError):
            make_listing(session, owner=creator, now=now, character=character, title="Anew")

    def test_needs_a_reason_a_moderator_and_somebody_elses_listing(self, session, live, creator, staff, moderator, now):
        given_ = {"publication_id": live.id, "now": now}
        with pytest.raises(NothingToSayError):
            recalls.quarantine(session, actor=moderator, reason=" ", **given_)
        for actor in (creator, staff):
            with pytest.raises(ForbiddenError):
                recalls.quarantine(session, actor=actor, reason="x", **given_)
        both = make_actor(session, RoleName.CREATOR, RoleName.MODERATOR)
        own = make_live_listing(session, owner=both, moderator=moderator, now=now)
        with pytest.raises(OwnPublicationError):
            recalls.quarantine(session, actor=both, reason="x", publication_id=own.id, now=now)

    def test_is_not_for_what_is_over(self, session, creator, moderator, now):
        publication = make_listing(session, owner=creator, now=now)
        listings.withdraw(session, actor=creator, publication_id=publication.id, now=now)
        with pytest.raises(StepImpossibleError):
            self.hide(session, moderator, publication, now)

    def test_review_again_leaves_it_live(self, session, live, moderator, now):
        recalls.review_again(session, actor=moderator, publication_id=live.id, reason="Old rules.", now=now)
        assert (live.status, kinds(session, live)) == (S.APPROVED, {FlagKind.REQUEUED})
        waiting = make_listing(session, owner=make_actor(session, RoleName.CREATOR), now=now)
        with pytest.raises(StepImpossibleError):
            recalls.review_again(session, actor=moderator, publication_id=waiting.id, reason="x", now=now)


class TestWhatPostgresqlRefuses:
    @pytest.mark.parametrize(
        ("sentence", "match"),
        [
            ("UPDATE listing_reports SET state = 'dismissed'", "closed_goes_with_state"),
            ("UPDATE listing_reports SET closed_at = now()", "closed_goes_with_state"),
            ("UPDATE listing_reports SET reporter_count = 0", "somebody_reported_it"),
            ("UPDATE listing_reports SET reviewed_count = 9", "reviewed_are_some_of_them"),
            ("UPDATE listing_reports SET last_at = created_at - interval '1 day'", "last_after_first"),
            ("UPDATE listing_reports SET reason = 'nonsense'", "reason"),
            ("UPDATE review_flags SET cleared_at = created_at - interval '1 day'", "cleared_after_it_was_raised"),
            ("UPDATE review_flags SET kind = 'nonsense'", "kind"),
            (
                (
                    "INSERT INTO listing_reporters (id, report_id, reporter_id, created_at) "
                    "SELECT gen_random_uuid(), report_id, reporter_id, now() FROM listing_reporters"
                ),
                "uq_listing_reporters",
            ),
        ],
    )
    def test_of_reports_and_flags(self, session, live, staff, now, sentence, match):
        make_report(session, reporter=staff, publication=live, now=now)
        with pytest.raises(sa.exc.IntegrityError, match=match):
            session.execute(sa.text(sentence))


def test_a_listing_without_reports_has_no_reporters(session, creator, now):
    make_card(session, owner=creator, now=now)
    assert session.scalar(sa.select(sa.func.count()).select_from(ListingReporter)) == 0
