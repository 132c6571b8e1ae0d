"""People and a storage for the tests of media."""

import pytest

from studio.accounts.permissions import RoleName
from tests.factories.accounts import make_actor
from tests.factories.media import make_storage


@pytest.fixture
def storage(tmp_path):
    """A storage of the test's own."""
    return make_storage(tmp_path)


@pytest.fixture
def creator(session):
    """Who writes."""
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def outsider(session):
    """Another creator."""
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def moderator(session):
    """Who reads everything and changes nothing."""
    return make_actor(session, RoleName.MODERATOR)
