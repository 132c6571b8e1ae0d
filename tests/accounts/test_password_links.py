"""Links with which people choose a new password."""

from datetime import timedelta

import pytest

from studio.accounts import password_links, passwords, people
from studio.accounts.errors import BadPasswordLinkError, OwnAccountError, WeakPasswordError
from studio.accounts.permissions import SYSTEM, RoleName
from studio.kit.errors import ForbiddenError
from tests.factories.accounts import make_actor, make_user

KEY = b"the studio's key"
GOOD = "a long sentence to type"


@pytest.fixture
def person(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def link(session, person, now):
    admin = make_actor(session, RoleName.ADMIN)
    return password_links.make(session, actor=admin, key=KEY, user_id=person.id, now=now)


class TestMake:
    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.MODERATOR, RoleName.STAFF])
    def test_is_for_admins(self, session, person, now, role):
        with pytest.raises(ForbiddenError):
            password_links.make(session, actor=make_actor(session, role), key=KEY, user_id=person.id, now=now)

    def test_is_not_for_oneself(self, session, now):
        admin = make_actor(session, RoleName.ADMIN)
        with pytest.raises(OwnAccountError):
            password_links.make(session, actor=admin, key=KEY, user_id=admin.user_id, now=now)


class TestUse:
    def test_sets_the_password_once_and_ends_sessions(self, session, person, link, now):
        before = person.fs_uniquifier
        password_links.use(session, key=KEY, token=link.token, password=GOOD, now=now)
        assert passwords.matches(GOOD, person.password)
        assert person.fs_uniquifier != before
        with pytest.raises(BadPasswordLinkError):
            password_links.use(session, key=KEY, token=link.token, password=GOOD, now=now)

    def test_stays_good_after_a_weak_password(self, session, person, link, now):
        with pytest.raises(WeakPasswordError):
            password_links.use(session, key=KEY, token=link.token, password="short", now=now)
        password_links.use(session, key=KEY, token=link.token, password=GOOD, now=now)

    def test_ends_after_a_day(self, session, link, now):
        assert link.valid_until == now + timedelta(hours=24)
        with pytest.raises(BadPasswordLinkError):
            password_links.find(session, key=KEY, token=link.token, now=link.valid_until)

    def test_ends_with_a_suspension_and_with_the_sessions(self, session, person, link, now):
        people.suspend(session, actor=SYSTEM, user_id=person.id, reason="Spam", now=now)
        with pytest.raises(BadPasswordLinkError):
            password_links.find(session, key=KEY, token=link.token, now=now)
        people.reinstate(session, actor=SYSTEM, user_id=person.id)
        with pytest.raises(BadPasswordLinkError):
            password_links.find(session, key=KEY, token=link.token, now=now)

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "WyJhIiwxLDJd.aaa.bbb", "林"])
    def test_refuses_what_is_made_up(self, session, now, token):
        with pytest.raises(BadPasswordLinkError):
            password_links.find(session, key=KEY, token=token, now=now)

    def test_refuses_another_studios_link(self, session, link, now):
        with pytest.raises(BadPasswordLinkError):
            password_links.find(session, key=b"another", token=link.token, now=now)
