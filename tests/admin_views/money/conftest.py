"""Who trades on the screens of money, and what is for sale."""

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from tests.admin_views.conftest import signed_in
from tests.factories.accounts import make_user
from tests.factories.money import make_offer


@pytest.fixture
def creator(session):
    return make_user(session, RoleName.CREATOR, name="林晚")


@pytest.fixture
def buyer(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def staff(session):
    return make_user(session, RoleName.STAFF)


@pytest.fixture
def offer(session, creator):
    return make_offer(session, owner=creator.actor, now=utc_now(), title="灯塔看守人")


@pytest.fixture
def client_of(app, session):
    def make(person):
        session.flush()
        return signed_in(app.test_client(), person)

    return make


@pytest.fixture
def counted(session):
    """Every statement that reaches PostgreSQL."""
    seen = []
    connection = session.connection()

    def note(_conn, _cursor, statement, *_):
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            seen.append(statement)

    sa.event.listen(connection, "before_cursor_execute", note)
    yield seen
    sa.event.remove(connection, "before_cursor_execute", note)


def text(answer):
    return answer.get_data(as_text=True)
