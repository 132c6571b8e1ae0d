"""People and a character that is to have voices."""

import pytest

from studio.accounts.permissions import RoleName
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.factories.media import make_storage


@pytest.fixture
def creator(session):
    return make_actor(session, RoleName.CREATOR, name="Mei")


@pytest.fixture
def outsider(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def character(session, creator):
    return make_character(session, owner=creator, name="Dugu")


@pytest.fixture
def storage(settings):
    return make_storage(settings.data)
