"""Closing an account: what goes, what stays as proof, what keeps it from being closed, and who may."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio.accounts import audit, people, queries
from studio.accounts.errors import (
    ClosedAccountError,
    DemoAccountError,
    LastAdminError,
    MissingReasonError,
    OwnAccountError,
    WrongPasswordError,
)
from studio.accounts.models import AuditEntry, User, UserPreference, UserStatus
from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.authoring.models import CardBatch, CardDocument, Character, CharacterStatus, CharacterVersion
from studio.chat.models import ChatSession
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.kit.orm import Base
from studio.market.models import CaseState, CharacterPublication, PublicationStatus, Purchase, PurchaseStatus
from studio.market.money import downloads, purchases
from studio.market.money.errors import NotForSaleError
from studio.market.review import claims
from studio.media.models import MediaFile, MediaUpload
from studio.operations import clearing, leaving
from studio.operations.leaving import BlockedError, NotConfirmedError
from studio.voices.models import SpeechSynthesis
from studio.work.models import JobRun, JobState
from tests.factories.accounts import PASSWORD, make_actor, make_user
from tests.factories.authoring import card_file, make_batch, make_character, make_preview
from tests.factories.chat import make_chat
from tests.factories.market import make_claimed_case, make_listing
from tests.factories.media import make_portrait, make_upload, picture
from tests.factories.money import POLICY, begin, buy, make_offer
from tests.factories.voices import make_speech
from tests.factories.work import make_running_job

NOW = utc_now()


@pytest.fixture
def admin(session):
    return make_actor(session, RoleName.ADMIN)


@pytest.fixture
def creator(session):
    return make_user(session, RoleName.CREATOR, name="林晓梅", email="mei@example.com")


def close(session, actor, user, **given):
    values = {"policy": POLICY, "now": NOW}
    if actor.user_id == user.id:
        values["password"] = PASSWORD
    else:
        values |= {"email": user.email, "reason": "She asked for it."}
    return leaving.close(session, actor=actor, user_id=user.id, **(values | given))


class TestClose:
    def test_leaves_a_pseudonym_to_which_nobody_signs_in(self, session, admin, creator):
        session.add(UserPreference(user_id=creator.id, key="k", value={}))
        before = creator.fs_uniquifier
        close(session, admin, creator)
        session.refresh(creator)
        assert (creator.status, creator.closed_at, creator.active) == (UserStatus.CLOSED, NOW, False)
        assert creator.name.startswith("Deleted person ")
        assert "mei" not in creator.email
        assert (creator.password, creator.tf_totp_secret, creator.roles) == (None, None, [])
        assert creator.fs_uniquifier != before
        assert session.scalar(sa.select(UserPreference).where(UserPreference.user_id == creator.id)) is None
        assert queries.find_active(session, user_id=creator.id) is None
        entry = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.resource_id == creator.id, AuditEntry.action == "person.close")
        ).one()
        assert (entry.actor_id, entry.reason) == (admin.user_id, "She asked for it.")

    def test_takes_everything_off_the_market_at_once(self, session, admin, creator):
        live = make_offer(session, owner=creator.actor, now=NOW, price=0)
        waiting = make_listing(session, owner=creator.actor, now=NOW)
        close(session, admin, creator)
        assert (live.status, waiting.status) == (PublicationStatus.UNLISTED, PublicationStatus.WITHDRAWN)
        with pytest.raises((NotFoundError, NotForSaleError)):
            begin(session, buyer=make_actor(session, RoleName.CREATOR), offer=live, now=NOW)

    def test_is_ones_own_with_the_password_alone(self, session, creator):
        with pytest.raises(WrongPasswordError):
            close(session, creator.actor, creator, password="something else")
        with pytest.raises(OwnAccountError):
            close(session, creator.actor, creator, password=None)
        close(session, creator.actor, creator)
        entry = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.resource_id == creator.id, AuditEntry.action == "person.close")
        ).one()
        assert entry.actor_name == creator.name

    def test_of_another_is_for_admins_who_name_it_and_say_why(self, session, admin, creator):
        for role in (RoleName.CREATOR, RoleName.STAFF, RoleName.MODERATOR):
            with pytest.raises(ForbiddenError):
                close(session, make_actor(session, role), creator)
        with pytest.raises(NotConfirmedError):
            close(session, admin, creator, email="other@example.com")
        with pytest.raises(MissingReasonError):
            close(session, admin, creator, reason=" ")
        assert creator.active

    def test_is_refused_for_the_last_admin_the_demo_and_what_is_closed(self, session, admin, creator):
        with pytest.raises(LastAdminError):
            close(session, admin, session.get_one(User, admin.user_id))
        with pytest.raises(DemoAccountError):
            close(session, admin, make_user(session, RoleName.CREATOR, is_demo=True))
        close(session, admin, creator)
        for again in (
            lambda: close(session, admin, creator),
            lambda: people.reinstate(session, actor=admin, user_id=creator.id),
            lambda: people.set_roles(session, actor=admin, user_id=creator.id, roles=[RoleName.ADMIN]),
        ):
            with pytest.raises(ClosedAccountError):
                again()

    def test_gives_a_moderators_claims_back(self, session, admin, creator):
        moderator = make_user(session, RoleName.MODERATOR)
        case = make_claimed_case(session, owner=creator.actor, moderator=moderator.actor, now=NOW)
        close(session, admin, moderator)
        asked = session.scalars(sa.select(JobRun).where(JobRun.name == "market.release_claims")).one()
        assert asked.arguments == {"user_id": str(moderator.id)}
        assert claims.release_claims(session, user_id=moderator.id) == 1
        assert case.state is CaseState.WAITING


class TestBlockers:
    def words(self, session, user):
        found = leaving.outlook(session, actor=user.actor, user_id=user.id, policy=POLICY)
        return " ".join(one.sentence % one.params for one in found.blockers)

    def test_earnings_that_are_not_paid_out_keep_everything_as_it_was(self, session, admin, creator):
        offer = make_offer(session, owner=creator.actor, now=NOW, price=5_000)
        buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=NOW)
        with pytest.raises(BlockedError, match=r"42\.50 USD of earnings are still held back"), session.begin_nested():
            close(session, admin, creator, leaves_small=True)
        session.refresh(offer)
        session.refresh(creator)
        assert (offer.status, creator.active) == (PublicationStatus.APPROVED, True)

    def test_small_sums_are_an_admins_to_let_be(self, session, admin, creator):
        offer = make_offer(session, owner=creator.actor, now=NOW - timedelta(days=30), price=500)
        then = NOW - timedelta(days=20)
        buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=then)
        purchases.release_due(session, now=NOW)
        assert "4.25 USD of earnings are not paid out: that is less than the least payout of 20.00 USD" in self.words(
            session, creator
        )
        for refused in (
            lambda: close(session, creator.actor, creator, leaves_small=True),
            lambda: close(session, admin, creator),
        ):
            with pytest.raises(BlockedError), session.begin_nested():
                refused()
        assert close(session, admin, creator, leaves_small=True).status is UserStatus.CLOSED

    def test_a_purchase_that_waits_for_its_money_blocks_both(self, session, creator):
        offer = make_offer(session, owner=creator.actor, now=NOW)
        buyer = make_user(session, RoleName.CREATOR)
        begin(session, buyer=buyer.actor, offer=offer, now=NOW)
        assert "Somebody is paying for one of the characters" in self.words(session, creator)
        assert "A purchase is not paid yet" in self.words(session, buyer)

    def test_are_told_to_nobody_else(self, session, creator):
        with pytest.raises(ForbiddenError):
            leaving.outlook(session, actor=make_actor(session, RoleName.STAFF), user_id=creator.id, policy=POLICY)


class TestEveryReferenceToAPerson:
    def test_has_its_place(self):
        found = {
            f"{table.name}.{key.parent.name}"
            for table in Base.metadata.sorted_tables
            for key in table.foreign_keys
            if key.column.table.name == "users"
        }
        rows = {f"{model.__tablename__}.{column}" for model, column in {**clearing.GOES, **clearing.LOOSENED}.items()}
        listed = [rows, set(clearing.STAYS), set(clearing.BY_STEPS)]
        assert set().union(*listed) == found
        assert sum(map(len, listed)) == len(found)

    def test_and_every_job_that_stops_exists(self):
        assert set(leaving.OWN_JOBS) <= set(registry.load())


class TestTheAuditLog:
    def test_forgets_names_of_closed_accounts_and_nothing_else(self, session, admin, creator):
        audit.record(
            session, actor=creator.actor, action="a.b", resource="a", resource_id=None, after={"name": "a tower"}
        )
        people.rename(session, actor=admin, user_id=creator.id, name="Lin 梅")
        session.flush()
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(sa.update(AuditEntry).values(actor_name="x").where(AuditEntry.actor_id == creator.id))
        close(session, admin, creator)
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(sa.update(AuditEntry).values(action="x").where(AuditEntry.actor_id == creator.id))
        while clearing.closing.forget_names(session, user_id=creator.id):
            pass
        session.expire_all()
        rows = session.scalars(
            sa.select(AuditEntry).where(sa.or_(AuditEntry.actor_id == creator.id, AuditEntry.resource_id == creator.id))
        ).all()
        told = str([(row.actor_name, row.before, row.after) for row in rows])
        assert "林晓梅" not in told
        assert "Lin" not in told
        assert "mei@" not in told
        assert "a tower" in told


@pytest.fixture
def engine(committed_database):
    return committed_database.engine


@pytest.fixture
def runtime(settings, committed_database, redis_client):
    resources = Resources(settings.model_copy(update={"database_url": SecretStr(committed_database.url)}))
    yield Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())
    resources.close()


def count(session, column, user_id):
    return session.scalar(sa.select(sa.func.count()).where(column == user_id))


class TestClearPerson:
    def close(self, engine, user):
        with session_scope(engine) as session:
            boss = make_actor(session, RoleName.ADMIN)
            close(session, boss, session.get_one(User, user.id))
            return session.scalars(sa.select(JobRun.id).where(JobRun.name == "operations.clear_person")).one()

    def test_deletes_what_was_theirs_alone_and_keeps_what_others_have(self, engine, runtime):
        storage = runtime.resources.storage
        with session_scope(engine) as session:
            user = make_user(session, RoleName.CREATOR, name="林晓梅", email="mei@example.com")
            me, buyer = user.actor, make_actor(session, RoleName.CREATOR)
            sold = make_character(session, owner=me, name="Sold", description="A keeper of an old lighthouse. " * 4)
            characters.set_portrait(
                session,
                actor=me,
                storage=storage,
                character_id=sold.id,
                row_version=sold.row_version,
                data=picture(),
                now=NOW,
            )
            make_portrait(session, actor=me, storage=storage, data=picture(color=(1, 2, 3)))
            offer = make_offer(session, owner=me, now=NOW, price=0, character=sold)
            purchase = buy(session, buyer=buyer, offer=offer, now=NOW)
            draft = make_character(session, owner=me, name="Draft")
            make_chat(session, owner=me, character=draft)
            make_speech(session, owner=me, character=draft, data=runtime.resources.settings.data)
            make_upload(session, owner=me)
            make_batch(session, actor=me, storage=storage, given=[("one.png", card_file(name="One"))])
            make_preview(session, actor=me, storage=storage)
            session.execute(sa.delete(JobRun))
        asked = self.close(engine, user)
        assert runtime.perform(asked)
        with session_scope(engine) as session:
            done = session.get_one(JobRun, asked)
            assert (done.state, done.error_message) == (JobState.SUCCEEDED, None)
            gone = session.get_one(User, user.id)
            assert gone.cleared_at is not None
            for column in (
                ChatSession.owner_id,
                SpeechSynthesis.user_id,
                MediaUpload.owner_id,
                CardBatch.owner_id,
            ):
                assert count(session, column, user.id) == 0, column
            assert session.get(Character, draft.id) is None
            assert session.scalars(sa.select(CardDocument).where(CardDocument.character_id.is_(None))).all() == []
            # What the buyer has is there, with its picture, and shown to nobody else.
            assert session.get_one(Character, sold.id).status is CharacterStatus.ARCHIVED
            assert session.scalars(sa.select(CharacterVersion).where(CharacterVersion.character_id == sold.id)).all()
            kept = session.scalars(
                sa.select(MediaFile).where(MediaFile.owner_id == user.id, MediaFile.source_id.is_(None))
            ).all()
            assert [file.id for file in kept] == [sold.portrait_id]
            held = session.get_one(Purchase, purchase.id)
            assert held.status is PurchaseStatus.PAID
            made = downloads.make_link(
                session, actor=buyer, purchase_id=held.id, version_number=1, form="png", secret="s", now=utc_now()
            )
            export = downloads.follow(session, actor=buyer, token=made, secret="s", storage=storage, now=utc_now())
            assert export.data
            told = session.scalars(sa.select(AuditEntry.actor_name).where(AuditEntry.actor_id == user.id)).all()
            assert set(told) <= {gone.name}
            dropped = session.scalars(
                sa.select(JobRun.arguments["sha256"].astext).where(JobRun.name == "media.drop_bytes")
            ).all()
            again = session.scalars(
                sa.select(JobRun).where(JobRun.name == "operations.clear_person", JobRun.state == JobState.QUEUED)
            ).one()
            assert again.run_after > utc_now() + timedelta(minutes=50)
            again.run_after = NOW
        # The speech, the other portrait, the imported card and the one that was looked at.
        assert len(dropped) >= 4
        # Once more, and nothing is left to do.
        assert runtime.perform(again.id)
        with session_scope(engine) as session:
            assert session.get_one(JobRun, again.id).result == {"cleared": 0}

    def test_waits_for_a_job_that_could_still_write(self, engine, runtime):
        with session_scope(engine) as session:
            user = make_user(session, RoleName.CREATOR)
            session.execute(sa.delete(JobRun))
            running, _token = make_running_job(session, "media.generate_pictures", now=utc_now(), actor=user.actor)
            others, _token = make_running_job(session, "market.screen_listing", now=utc_now(), actor=user.actor)
        asked = self.close(engine, user)
        runtime.perform(asked)
        with session_scope(engine) as session:
            waits = session.get_one(JobRun, asked)
            assert (waits.state, waits.error_type) == (JobState.QUEUED, "StillAtWorkError")
            assert session.get_one(JobRun, running.id).cancel_requested_at is not None
            # What others count on goes on.
            assert session.get_one(JobRun, others.id).cancel_requested_at is None
            ended = session.get_one(JobRun, running.id)
            ended.state, ended.finished_at, ended.claim_token = JobState.CANCELLED, utc_now(), None
            waits.run_after = NOW
        assert runtime.perform(asked)
        with session_scope(engine) as session:
            assert session.get_one(JobRun, asked).state is JobState.SUCCEEDED

    def test_and_a_purchase_at_the_same_moment_leave_nothing_half_done(self, engine):
        with session_scope(engine) as session:
            user = make_user(session, RoleName.CREATOR)
            offer = make_offer(session, owner=user.actor, now=NOW)
            buyer, boss = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.ADMIN)

        def buying():
            with session_scope(engine) as session:
                begin(session, buyer=buyer, offer=session.get_one(CharacterPublication, offer.id), now=NOW)

        def closing():
            with session_scope(engine) as session:
                close(session, boss, session.get_one(User, user.id))

        with ThreadPoolExecutor(2) as pool:
            ended = [one.exception() for one in (pool.submit(buying), pool.submit(closing))]
        # One of the two was first, and the other says so.
        assert sum(error is None for error in ended) == 1, ended
        assert isinstance(next(error for error in ended if error), (BlockedError, NotForSaleError, NotFoundError))
        with session_scope(engine) as session:
            is_open = session.scalar(sa.select(sa.func.count()).select_from(Purchase)) == 1
            assert session.get_one(User, user.id).active is is_open
