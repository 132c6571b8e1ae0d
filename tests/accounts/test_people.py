"""Making accounts, roles, suspension and sessions."""

import threading
import time

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import passwords, people, queries
from studio.accounts.errors import (
    AlreadySuspendedError,
    BadEmailError,
    BadNameError,
    EmailTakenError,
    LastAdminError,
    MissingReasonError,
    NotSuspendedError,
    OwnAccountError,
    StalePersonError,
    WeakPasswordError,
)
from studio.accounts.models import AuditEntry, User, UserStatus
from studio.accounts.permissions import NOBODY, SYSTEM, RoleName
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.work.models import JobRun
from tests.factories.accounts import make_actor, make_user

GOOD = "a long sentence to type"


@pytest.fixture
def admin(session):
    return make_actor(session, RoleName.ADMIN)


def entries(session, user):
    query = sa.select(AuditEntry).where(AuditEntry.resource_id == user.id).order_by(AuditEntry.id)
    return list(session.scalars(query))


def release_jobs(session, user):
    found = session.scalars(sa.select(JobRun).where(JobRun.name == "market.release_claims"))
    return [job for job in found if job.arguments == {"user_id": str(user.id)}]


class TestCreate:
    def test_makes_an_account_that_its_password_opens(self, session, admin):
        user = people.create(
            session, actor=admin, email=" Mei@Example.COM ", name="  梅  林 ", password=GOOD, roles=[RoleName.CREATOR]
        )
        assert (user.email, user.name, [r.name for r in user.roles]) == ("Mei@example.com", "梅 林", ["creator"])
        assert user.password.startswith("$argon2id$")
        assert passwords.matches(GOOD, user.password)
        assert user.active

    def test_is_in_the_audit_log_without_the_password(self, session, admin):
        user = people.create(session, actor=admin, email="a@example.com", name="A", password=GOOD, roles=[])
        (entry,) = entries(session, user)
        assert (entry.action, entry.actor_id) == ("person.create", admin.user_id)
        assert GOOD not in str(entry.after)
        assert "argon2" not in str(entry.after)

    def test_refuses_a_second_spelling_of_an_address(self, session, admin):
        people.create(session, actor=admin, email="one@example.com", name="A", password=GOOD, roles=[])
        with pytest.raises(EmailTakenError):
            people.create(session, actor=admin, email="ONE@EXAMPLE.com", name="B", password=GOOD, roles=[])
        assert session.scalar(sa.select(sa.func.count()).where(sa.func.lower(User.email) == "one@example.com")) == 1

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"email": "nobody"}, BadEmailError),
            ({"email": "a@b@example.com"}, BadEmailError),
            ({"email": "x" * 300 + "@example.com"}, BadEmailError),
            ({"name": " \u200b "}, BadNameError),
            ({"name": "n" * 81}, BadNameError),
            ({"password": "short"}, WeakPasswordError),
            ({"password": "aaaaaaaaaaaa"}, WeakPasswordError),
            ({"password": "p" * 60 + "abcd" * 40}, WeakPasswordError),
            ({"password": "someone@example.com"}, WeakPasswordError),
        ],
    )
    def test_refuses_bad_input_with_its_field(self, session, admin, changes, error):
        given = {"email": "someone@example.com", "name": "Someone", "password": GOOD} | changes
        with pytest.raises(error) as refused:
            people.create(session, actor=admin, roles=[], **given)
        assert set(refused.value.fields) == set(changes)

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.MODERATOR, RoleName.STAFF])
    def test_is_for_admins(self, session, role):
        with pytest.raises(ForbiddenError):
            people.create(
                session, actor=make_actor(session, role), email="x@example.com", name="X", password=GOOD, roles=[]
            )


class TestSetRoles:
    def test_gives_and_takes_roles_and_writes_both_down(self, session, admin):
        user = make_user(session, RoleName.CREATOR)
        version = user.row_version
        people.set_roles(session, actor=admin, user_id=user.id, roles=[RoleName.STAFF, RoleName.MODERATOR])
        assert user.actor.roles == {RoleName.STAFF, RoleName.MODERATOR}
        assert user.row_version == version + 1
        entry = entries(session, user)[-1]
        assert (entry.before, entry.after) == ({"roles": ["creator"]}, {"roles": ["moderator", "staff"]})

    def test_changes_nothing_when_said_again(self, session, admin):
        user = make_user(session, RoleName.CREATOR)
        count = len(entries(session, user))
        people.set_roles(session, actor=admin, user_id=user.id, roles=[RoleName.CREATOR])
        assert len(entries(session, user)) == count

    def test_refuses_ones_own_roles(self, session, admin):
        make_user(session, RoleName.ADMIN)
        with pytest.raises(OwnAccountError):
            people.set_roles(session, actor=admin, user_id=admin.user_id, roles=[RoleName.ADMIN, RoleName.STAFF])

    def test_refuses_to_demote_the_last_admin(self, session):
        last = make_user(session, RoleName.ADMIN)
        make_user(session, RoleName.ADMIN, is_demo=True)
        make_user(session, RoleName.ADMIN, password=None)
        with pytest.raises(LastAdminError):
            people.set_roles(session, actor=SYSTEM, user_id=last.id, roles=[])
        assert last.actor.roles == {RoleName.ADMIN}

    def test_has_a_former_moderator_give_back_their_claims(self, session, admin):
        user = make_user(session, RoleName.MODERATOR)
        people.set_roles(session, actor=admin, user_id=user.id, roles=[RoleName.CREATOR])
        assert len(release_jobs(session, user)) == 1

    def test_refuses_what_was_decided_on_an_old_reading(self, session, admin):
        user = make_user(session, RoleName.CREATOR)
        seen = user.row_version
        people.rename(session, actor=admin, user_id=user.id, name="Another")
        with pytest.raises(StalePersonError):
            people.set_roles(session, actor=admin, user_id=user.id, roles=[RoleName.ADMIN], row_version=seen)

    def test_leaves_one_admin_when_two_demote_each_other_at_once(self, committed_database):
        with Session(committed_database.engine, expire_on_commit=False) as setup:
            first, second = make_user(setup, RoleName.ADMIN), make_user(setup, RoleName.ADMIN)
            setup.commit()
            pairs = [(first.actor, second.id), (second.actor, first.id)]
        outcomes = []
        barrier = threading.Barrier(2)

        def demote(actor, user_id):
            with Session(committed_database.engine) as mine:
                barrier.wait()
                try:
                    people.set_roles(mine, actor=actor, user_id=user_id, roles=[])
                    # Stay inside the transaction long enough for the other to arrive at the lock.
                    time.sleep(0.2)
                    mine.commit()
                    outcomes.append("demoted")
                except LastAdminError:
                    outcomes.append("refused")

        threads = [threading.Thread(target=demote, args=pair) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["demoted", "refused"]


class TestSuspend:
    def test_shuts_out_and_ends_sessions(self, session, admin, now):
        user = make_user(session, RoleName.CREATOR)
        before = user.fs_uniquifier
        people.suspend(session, actor=admin, user_id=user.id, reason="Spam", now=now)
        assert (user.active, user.suspended_at, user.suspension_reason) == (False, now, "Spam")
        assert user.fs_uniquifier != before
        assert entries(session, user)[-1].reason == "Spam"
        assert release_jobs(session, user) == []

    def test_releases_a_moderators_claims_by_a_job(self, session, admin, now):
        user = make_user(session, RoleName.MODERATOR)
        people.suspend(session, actor=admin, user_id=user.id, reason="Away", now=now)
        assert len(release_jobs(session, user)) == 1

    def test_refuses_oneself(self, session, admin, now):
        with pytest.raises(OwnAccountError):
            people.suspend(session, actor=admin, user_id=admin.user_id, reason="x", now=now)

    def test_refuses_the_last_admin(self, session, admin, now):
        with pytest.raises(LastAdminError):
            people.suspend(session, actor=SYSTEM, user_id=admin.user_id, reason="x", now=now)

    def test_refuses_twice(self, session, admin, now):
        user = make_user(session)
        people.suspend(session, actor=admin, user_id=user.id, reason="Spam", now=now)
        with pytest.raises(AlreadySuspendedError):
            people.suspend(session, actor=admin, user_id=user.id, reason="Spam", now=now)

    @pytest.mark.parametrize("reason", ["", " \n ", "x" * 501])
    def test_wants_a_reason(self, session, admin, now, reason):
        user = make_user(session)
        with pytest.raises(MissingReasonError):
            people.suspend(session, actor=admin, user_id=user.id, reason=reason, now=now)
        assert user.active

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.MODERATOR, RoleName.STAFF])
    def test_is_for_admins(self, session, now, role):
        user = make_user(session)
        with pytest.raises(ForbiddenError):
            people.suspend(session, actor=make_actor(session, role), user_id=user.id, reason="x", now=now)


class TestReinstate:
    def test_lets_in_again_and_keeps_the_old_reason_in_the_log(self, session, admin, now):
        user = make_user(session)
        people.suspend(session, actor=admin, user_id=user.id, reason="Spam", now=now)
        people.reinstate(session, actor=admin, user_id=user.id)
        assert (user.active, user.suspended_at, user.suspension_reason) == (True, None, None)
        assert entries(session, user)[-1].before["suspension_reason"] == "Spam"

    def test_refuses_an_active_person(self, session, admin):
        with pytest.raises(NotSuspendedError):
            people.reinstate(session, actor=admin, user_id=make_user(session).id)


class TestRename:
    def test_is_everybodys_own(self, session):
        user = make_user(session, RoleName.CREATOR)
        people.rename(session, actor=user.actor, user_id=user.id, name="新名字")
        assert user.name == "新名字"

    def test_tells_an_outsider_nothing(self, session):
        stranger = make_actor(session, RoleName.CREATOR)
        with pytest.raises(ForbiddenError):
            people.rename(session, actor=stranger, user_id=make_user(session).id, name="x")


class TestSetPassword:
    def test_replaces_the_password_and_ends_sessions(self, session, admin):
        user = make_user(session)
        before = user.fs_uniquifier
        people.set_password(session, actor=admin, user_id=user.id, password=GOOD)
        assert passwords.matches(GOOD, user.password)
        assert user.fs_uniquifier != before
        assert GOOD not in str([(e.before, e.after) for e in entries(session, user)])


class TestEndSessions:
    def test_is_for_admins_and_for_oneself(self, session, admin):
        user = make_user(session, RoleName.CREATOR)
        seen = {user.fs_uniquifier}
        for actor in (admin, user.actor):
            people.end_sessions(session, actor=actor, user_id=user.id)
            assert user.fs_uniquifier not in seen
            seen.add(user.fs_uniquifier)
        with pytest.raises(ForbiddenError):
            people.end_sessions(session, actor=make_actor(session, RoleName.STAFF), user_id=user.id)


class TestRemoveSecondFactor:
    def test_takes_the_authenticator_and_says_why(self, session, admin):
        user = make_user(session, tf_primary_method="authenticator", tf_totp_secret="s", mf_recovery_codes=["a"])
        people.remove_second_factor(session, actor=admin, user_id=user.id, reason="Lost phone")
        assert (user.tf_primary_method, user.tf_totp_secret, user.mf_recovery_codes) == (None, None, None)
        assert entries(session, user)[-1].reason == "Lost phone"


class TestUserVisibleTo:
    def test_one_expression_serves_admin_owner_outsider_and_nobody(self, session, admin):
        user, other = make_user(session, RoleName.CREATOR), make_user(session, RoleName.STAFF)

        def seen_by(actor):
            found = session.scalars(sa.select(User.id).where(queries.user_visible_to(actor)))
            return set(found) & {user.id, other.id}

        assert seen_by(admin) == {user.id, other.id}
        assert seen_by(user.actor) == {user.id}
        assert seen_by(NOBODY) == set()

    def test_hides_a_stranger_as_if_there_were_none(self, session):
        user, other = make_user(session, RoleName.CREATOR), make_user(session)
        with pytest.raises(NotFoundError):
            queries.get_user(session, actor=user.actor, user_id=other.id)


class TestPersonMatches:
    def test_finds_a_per_cent_sign_and_chinese(self, session):
        odd, chinese = make_user(session, name="100% Ann"), make_user(session, name="林晓梅")

        def found(text):
            return set(session.scalars(sa.select(User.id).where(queries.person_matches(text))))

        assert found("0%") == {odd.id}
        assert found("晓梅") == {chinese.id}
        assert found("_") & {odd.id, chinese.id} == set()


class TestStatus:
    def test_postgresql_wants_a_moment_with_a_suspension(self, session):
        user = make_user(session)
        user.status = UserStatus.SUSPENDED
        with pytest.raises(sa.exc.IntegrityError):
            session.flush()
