"""People and a storage for the tests of authoring."""

import pytest
import sqlalchemy as sa

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


@pytest.fixture
def statements(session):
    """The statements that go to the database while the test runs; `clear()` it to count from there."""
    seen: list[str] = []
    connection = session.connection()

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        seen.append(statement)

    sa.event.listen(connection, "before_cursor_execute", note)
    yield seen
    sa.event.remove(connection, "before_cursor_execute", note)
