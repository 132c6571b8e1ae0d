"""The application on a test's own connection, clients that are signed in, and a count of statements."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy.orm import Session

from studio import work
from studio.accounts.models import User
from studio.app import Studio, create_app
from studio.settings import Settings


@pytest.fixture
def app(settings: Settings, session: Session, compiled_templates: FileSystemBytecodeCache) -> Iterator[Studio]:
    """The whole application; each request's transaction is a savepoint on the connection of `session`.

    Flush what a test makes by `session` before a request; call `session.expire_all()` to see what the request did.
    CSRF is on: take the token from the page, or use `post`.
    """
    app = create_app(settings, connection=session.connection())
    app.testing = True
    app.jinja_env.bytecode_cache = compiled_templates
    # Mistakes are answered as people see them, not raised into the test.
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield app
    work.set_nudge(None)
    with app.app_context():
        app.db.session.remove()
        for engine in app.db.engines.values():
            engine.dispose()
    app.extensions["studio"].redis.close()


@pytest.fixture
def make_app(session, compiled_templates):
    """The application with other settings, on the test's connection."""
    made = []

    def make(settings):
        app = create_app(settings, connection=session.connection())
        app.jinja_env.bytecode_cache = compiled_templates
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            app.db.session.remove()
            for engine in app.db.engines.values():
                engine.dispose()
        app.extensions["studio"].redis.close()


@pytest.fixture
def client(app: Studio) -> FlaskClient:
    """A browser of somebody who is not signed in."""
    return app.test_client()


@pytest.fixture
def sign_in() -> Callable[[FlaskClient, User], FlaskClient]:
    """Sign a person in without the sign-in page: `sign_in(client, user)`; returns the client."""
    return signed_in


@pytest.fixture
def browser_of(app: Studio, session: Session) -> Callable[[User], FlaskClient]:
    """A new browser in which `user` is signed in."""

    def open_browser(user: User) -> FlaskClient:
        session.flush()
        return signed_in(app.test_client(), user)

    return open_browser


def signed_in(client: FlaskClient, user: User) -> FlaskClient:
    """Put `user` into the client's session as signing in does."""
    with client.session_transaction() as cookie:
        cookie["_user_id"] = user.fs_uniquifier
        cookie["_fresh"] = True
        cookie["fs_cc"] = "set"
    return client


@pytest.fixture
def post() -> Callable[..., object]:
    """POST with a CSRF token: `post(client, url, name=value, …)`; returns the answer."""
    return posted


def posted(client: FlaskClient, url: str, *, headers: dict[str, str] | None = None, **data: object):
    """POST the form `data` with the token of the client's own session."""
    return client.post(url, data={"csrf_token": token_of(client), **data}, headers=headers)


def token_of(client: FlaskClient) -> str:
    """The CSRF token of the client's session."""
    from flask import session as cookie
    from flask_wtf.csrf import generate_csrf

    app = client.application
    with client.session_transaction() as stored:
        kept = dict(stored)
    with app.test_request_context():
        cookie.update(kept)
        token = generate_csrf()
        made = dict(cookie)
    with client.session_transaction() as stored:
        stored.update(made)
    return token


@pytest.fixture
def statements(session: Session) -> Iterator[list[str]]:
    """Every statement that reaches PostgreSQL on the test's connection; clear it before the request that is counted."""
    connection = session.connection()
    seen: list[str] = []

    def note(_conn, _cursor, statement, _parameters, _context, _many):
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            seen.append(statement)

    sa.event.listen(connection, "before_cursor_execute", note)
    yield seen
    sa.event.remove(connection, "before_cursor_execute", note)
