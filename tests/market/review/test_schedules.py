"""Listings that go live at their time, exactly as they were approved; and featured ones."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.authoring import characters
from studio.authoring.models import Character, CharacterStatus
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.kit.money import Money
from studio.market.catalogue import category_tree, flags, listings
from studio.market.catalogue.errors import (
    AlreadyPendingError,
    FeatureInvalidError,
    ListingInvalidError,
    NotLiveError,
    NotScheduledError,
    ScheduleInvalidError,
)
from studio.market.models import CaseState, CharacterPublication, FlagKind, LicenseType, Notice, PublicationStatus
from studio.market.review import claims, decisions, schedules
from studio.market.review.rules import AT_ONCE
from studio.work.models import JobRun
from tests.factories.market import (
    any_category,
    case_of,
    make_card,
    make_category,
    make_claimed_case,
    make_listing,
    make_live_listing,
)
from tests.factories.money import begin, make_offer, tell

S = PublicationStatus
DAY = timedelta(days=1)


@pytest.fixture
def make_scheduled(session, creator, moderator, now):
    def make(**values):
        case = make_claimed_case(
            session, owner=creator, moderator=moderator, now=now, **{"publish_at": now + DAY, **values}
        )
        publication = session.get_one(CharacterPublication, case.publication_id)
        decisions.approve(
            session, actor=moderator, case_id=case.id, content_hash=publication.content_hash, now=now, hold=AT_ONCE
        )
        return publication

    return make


@pytest.fixture
def scheduled(make_scheduled):
    return make_scheduled()


class TestPublish:
    def test_waits_for_its_time(self, session, scheduled, now):
        assert (scheduled.status, scheduled.published_at) == (S.SCHEDULED, None)
        assert session.get_one(Character, scheduled.character_id).status is CharacterStatus.DRAFT
        assert not schedules.publish(session, publication_id=scheduled.id, now=now + DAY - timedelta(seconds=1))
        assert scheduled.status is S.SCHEDULED

    def test_is_live_at_its_time_once(self, session, scheduled, now):
        later = now + DAY
        assert schedules.publish_due(session, now=later) == 1
        assert schedules.publish_due(session, now=later) == 0
        assert (scheduled.status, scheduled.published_at) == (S.APPROVED, later)
        assert session.get_one(Character, scheduled.character_id).status is CharacterStatus.PUBLISHED
        entries = sa.select(sa.func.count()).where(AuditEntry.action == "listing.publish")
        assert session.scalar(entries) == 1

    def test_is_asked_for_as_a_job_at_that_time(self, session, scheduled, now):
        job = session.scalars(sa.select(JobRun).where(JobRun.name == "market.publish_listing")).one()
        assert (job.run_after, job.arguments) == (now + DAY, {"publication_id": str(scheduled.id)})

    def test_leaves_its_predecessor_live_until_then(self, session, creator, moderator, make_scheduled, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        character = session.get_one(Character, live.character_id)
        scheduled = make_scheduled(character=character, title="Second edition")
        assert (live.status, scheduled.status) == (S.APPROVED, S.SCHEDULED)
        schedules.publish_due(session, now=now + DAY)
        assert (live.status, scheduled.status) == (S.UNLISTED, S.APPROVED)

    def test_is_at_once_where_the_time_has_passed(self, session, creator, moderator, now):
        case = make_claimed_case(session, owner=creator, moderator=moderator, now=now, publish_at=now + DAY)
        publication = session.get_one(CharacterPublication, case.publication_id)
        later = now + DAY + timedelta(hours=1)
        claims.claim(session, actor=moderator, case_id=case.id, now=later)
        decisions.approve(
            session, actor=moderator, case_id=case.id, content_hash=publication.content_hash, now=later, hold=AT_ONCE
        )
        assert publication.status is S.APPROVED


class TestVoid:
    def change(self, session, scheduled, values):
        session.execute(
            sa.text(f"UPDATE character_publications SET {values} WHERE id = :id"),
            {"id": scheduled.id},
        )
        session.refresh(scheduled)

    @pytest.mark.parametrize(
        "values",
        [
            "title = 'Buy here'",
            "description = description || ' '",
            "tags = '{}'",
            "price_minor = price_minor + 1",
            "currency = 'EUR'",
            "license_type = 'exclusive'",
        ],
    )
    def test_is_the_approval_of_what_was_changed(self, session, scheduled, now, values):
        self.change(session, scheduled, values)
        assert schedules.publish(session, publication_id=scheduled.id, now=now + DAY)
        assert (scheduled.status, scheduled.notice, scheduled.publish_at) == (S.PENDING, Notice.CHANGED, None)
        case = case_of(session, scheduled)
        assert case.state is CaseState.SCREENING
        kinds = {flag.kind for flag in flags.list_open(session, publication_ids=[scheduled.id])[scheduled.id]}
        assert FlagKind.CHANGED_AFTER_APPROVAL in kinds
        assert not schedules.publish(session, publication_id=scheduled.id, now=now + 2 * DAY)

    def test_is_the_approval_of_what_staff_moved_to_another_shelf(self, session, staff, scheduled, now):
        other, planned = make_category(session, staff=staff), scheduled.publish_at
        category_tree.move_listings(session, from_id=scheduled.category_id, to_id=other.id, actor=staff)
        asked = sa.select(JobRun.dedupe_key).where(JobRun.dedupe_key.like("%:moved"))
        assert session.scalars(asked).all() == [f"market.publish_listing:{scheduled.id}:moved"]
        # Before its time: who looks again has until then, and it still goes live as planned.
        assert schedules.publish(session, publication_id=scheduled.id, now=now)
        assert (scheduled.status, scheduled.notice, scheduled.publish_at) == (S.PENDING, Notice.CHANGED, planned)

    def test_does_not_follow_from_editing_the_character(self, session, creator, scheduled, now):
        character = session.get_one(Character, scheduled.character_id)
        characters.update(
            session, actor=creator, character_id=character.id, row_version=character.row_version, now=now,
            changes={"description": "Quite another one."},
        )  # fmt: skip
        schedules.publish_due(session, now=now + DAY)
        assert scheduled.status is S.APPROVED

    def test_is_withdrawal_where_the_character_is_archived(self, session, creator, scheduled, now):
        characters.archive(session, actor=creator, character_id=scheduled.character_id, now=now)
        schedules.publish_due(session, now=now + DAY)
        assert (scheduled.status, scheduled.notice) == (S.WITHDRAWN, Notice.ARCHIVED)

    def test_is_withdrawal_where_the_character_is_sold(self, session, creator, other_creator, make_scheduled, now):
        offer = make_offer(session, owner=creator, now=now, license_type=LicenseType.EXCLUSIVE)
        character = session.get_one(Character, offer.character_id)
        successor = make_scheduled(
            character=character, title="Second", license_type=LicenseType.EXCLUSIVE, price=Money(900, "USD")
        )
        purchase = begin(session, buyer=other_creator, offer=offer, now=now)
        from studio.providers.payments import EventKind

        tell(session, purchase, EventKind.PAID, now=now)
        assert (offer.status, offer.notice) == (S.UNLISTED, Notice.SOLD)
        assert (successor.status, successor.notice) == (S.WITHDRAWN, Notice.SOLD)


class TestSetTime:
    def test_moves_it(self, session, creator, scheduled, now):
        schedules.set_time(session, actor=creator, publication_id=scheduled.id, publish_at=now + 2 * DAY, now=now)
        assert schedules.publish_due(session, now=now + DAY) == 0
        assert schedules.publish_due(session, now=now + 2 * DAY) == 1

    def test_publishes_now_what_is_approved(self, session, creator, scheduled, now):
        schedules.set_time(session, actor=creator, publication_id=scheduled.id, publish_at=None, now=now)
        assert scheduled.status is S.APPROVED

    def test_is_kept_while_it_waits_for_review(self, session, creator, now):
        publication = make_listing(session, owner=creator, now=now)
        schedules.set_time(session, actor=creator, publication_id=publication.id, publish_at=now + DAY, now=now)
        assert (publication.status, publication.publish_at) == (S.PENDING, now + DAY)

    @pytest.mark.parametrize("off", [-DAY, timedelta(0), 366 * DAY])
    def test_refuses_a_time_that_cannot_be(self, session, creator, scheduled, now, off):
        with pytest.raises(ScheduleInvalidError):
            schedules.set_time(session, actor=creator, publication_id=scheduled.id, publish_at=now + off, now=now)
        with pytest.raises(ListingInvalidError, match="mend"):
            make_listing(session, owner=creator, now=now, publish_at=now + off)

    def test_refuses_what_is_live_and_does_not_find_somebody_elses(
        self, session, creator, other_creator, moderator, scheduled, now
    ):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        with pytest.raises(NotScheduledError):
            schedules.set_time(session, actor=creator, publication_id=live.id, publish_at=now + DAY, now=now)
        with pytest.raises(NotFoundError):
            schedules.set_time(session, actor=other_creator, publication_id=scheduled.id, publish_at=now + DAY, now=now)

    def test_withdraws_what_waits_for_its_time(self, session, creator, scheduled, now):
        listings.withdraw(session, actor=creator, publication_id=scheduled.id, now=now)
        assert scheduled.status is S.WITHDRAWN
        assert schedules.publish_due(session, now=now + DAY) == 0

    def test_keeps_others_out_while_it_waits(self, session, creator, scheduled, now):
        with pytest.raises(AlreadyPendingError):
            make_listing(
                session, owner=creator, now=now, character=session.get_one(Character, scheduled.character_id),
                title="Another", category_id=any_category(session),
            )  # fmt: skip


class TestFeature:
    def test_is_for_staff_and_live_listings(self, session, creator, moderator, staff, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        schedules.feature(session, actor=staff, publication_id=live.id, until=now + DAY, now=now)
        assert live.featured_until == now + DAY
        schedules.feature(session, actor=staff, publication_id=live.id, until=None, now=now)
        assert (live.featured_until, live.is_featured) == (None, False)

    def test_ends_by_itself(self, session, creator, moderator, staff, now):
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        schedules.feature(session, actor=staff, publication_id=live.id, until=now + DAY, now=now)
        assert schedules.end_featured(session, now=now) == 0
        assert schedules.end_featured(session, now=now + DAY) == 1
        session.refresh(live)
        assert (live.is_featured, live.featured_until) == (False, now + DAY)
        assert schedules.end_featured(session, now=now + DAY) == 0
        for actor in (creator, moderator):
            with pytest.raises(ForbiddenError):
                schedules.feature(session, actor=actor, publication_id=live.id, until=now + DAY, now=now)
        for until in (now, now + 400 * DAY):
            with pytest.raises(FeatureInvalidError):
                schedules.feature(session, actor=staff, publication_id=live.id, until=until, now=now)
        listings.unlist(session, actor=creator, publication_id=live.id, now=now)
        with pytest.raises(NotLiveError):
            schedules.feature(session, actor=staff, publication_id=live.id, until=now + DAY, now=now)


def test_an_archived_characters_draft_is_left_alone(session, creator, now):
    character = make_card(session, owner=creator, now=now)
    characters.archive(session, actor=creator, character_id=character.id, now=now)
    assert listings.withdraw_archived(session, now=now) == 0
