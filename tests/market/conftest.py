"""The people whom most tests of the market need."""

import pytest

from studio.accounts.permissions import RoleName
from tests.factories.accounts import make_actor


@pytest.fixture
def creator(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def other_creator(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def moderator(session):
    return make_actor(session, RoleName.MODERATOR)


@pytest.fixture
def other_moderator(session):
    return make_actor(session, RoleName.MODERATOR)


@pytest.fixture
def staff(session):
    return make_actor(session, RoleName.STAFF)
