"""What people change about their own account."""

import pytest
import sqlalchemy as sa

from studio.accounts import own_account, passwords
from studio.accounts.errors import BadNameError, UnknownChoiceError, WeakPasswordError, WrongPasswordError
from studio.accounts.models import AuditEntry, Theme
from studio.accounts.permissions import NOBODY, RoleName
from studio.kit.errors import ForbiddenError
from tests.factories.accounts import PASSWORD, make_user


@pytest.fixture
def person(session):
    return make_user(session, RoleName.CREATOR)


class TestUpdate:
    def test_keeps_name_language_theme_and_time_zone(self, session, person):
        own_account.update(
            session, actor=person.actor, name="林梅", locale="zh_Hans", theme="dark", timezone="Asia/Shanghai"
        )
        assert (person.name, person.locale, person.theme) == ("林梅", "zh_Hans", Theme.DARK)
        assert person.timezone == "Asia/Shanghai"

    def test_writes_down_only_what_changed(self, session, person):
        for _ in range(2):
            own_account.update(session, actor=person.actor, name=person.name, locale="en", theme="auto")
        found = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "person.update_own")).all()
        assert [entry.after for entry in found] == [{"locale": "en"}]

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"name": ""}, BadNameError),
            ({"locale": "tlh"}, UnknownChoiceError),
            ({"theme": "pink"}, UnknownChoiceError),
            ({"timezone": "../etc/passwd"}, UnknownChoiceError),
        ],
    )
    def test_refuses_what_is_not_offered(self, session, person, changes, error):
        given = {"name": "A", "locale": "en", "theme": "auto"} | changes
        with pytest.raises(error) as refused:
            own_account.update(session, actor=person.actor, **given)
        assert set(refused.value.fields) == set(changes)

    def test_is_for_who_is_signed_in(self, session):
        with pytest.raises(ForbiddenError):
            own_account.update(session, actor=NOBODY, name="A", locale=None, theme="auto")


class TestChangePassword:
    def test_wants_the_present_one_and_ends_sessions(self, session, person):
        before = person.fs_uniquifier
        with pytest.raises(WrongPasswordError):
            own_account.change_password(
                session, actor=person.actor, current_password="wrong", new_password="a new long one"
            )
        assert person.fs_uniquifier == before
        own_account.change_password(
            session, actor=person.actor, current_password=PASSWORD, new_password="a new long one"
        )
        assert passwords.matches("a new long one", person.password)
        assert person.fs_uniquifier != before

    def test_refuses_a_weak_one(self, session, person):
        with pytest.raises(WeakPasswordError):
            own_account.change_password(session, actor=person.actor, current_password=PASSWORD, new_password="short")
