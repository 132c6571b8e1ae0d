"""The web application, composed: the only module that sees everything."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue
from flask_login import AnonymousUserMixin
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from flask_wtf import CSRFProtect
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

import admin_views
from admin_views import errors, headers, i18n, preferences, probes, rendering, row_net
from admin_views.access import declare_public, only_reads
from admin_views.accounts.sign_in import init_sign_in
from admin_views.bounded_request import BoundedRequest
from admin_views.lazy_rule import LazyRule
from admin_views.money import payment_events
from admin_views.resources import Resources
from admin_views.session_cookie import LastingSessions
from jobs import queue
from studio import tables, work
from studio.kit.context import request_id
from studio.kit.db import engine_options, is_connection_loss, session_scope, transaction, watched, without_writing
from studio.kit.errors import UnavailableError
from studio.providers import breaker
from studio.secret_key import secret_key
from studio.settings import ROOT, Settings
from studio.work.circuits import SharedCircuits

log = logging.getLogger(__name__)

MOST_BODY = 25 * 1024 * 1024
MOST_FORM_TEXT = 8 * 1024 * 1024
MOST_FORM_PARTS = 2_000

_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0)
"""Seconds between attempts while PostgreSQL restarts: for fifteen seconds, then the person is told."""

_THIS_MACHINE = ("127.0.0.1", "localhost")

_FOR_EVERYBODY = frozenset({"static", "probes.live", "probes.ready"})


class RequestSession(FlaskSession):
    """The session of one request; a bind of its own (a test's connection) goes before the engine."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Any:
        """The engine or connection for a statement."""
        return self.bind if self.bind is not None else super().get_bind(*args, **kwargs)


row_net.hang(RequestSession)


class _RefusedError(Exception):
    """Carries an answer past the commit: what the request did is undone, the answer is sent."""

    def __init__(self, response: Response) -> None:
        self.response = response


class _DatabaseLostError(Exception):
    """Carries a lost connection past Flask's error handling, to try the request again."""


class Studio(Flask):
    """A Flask application in which one request is one transaction.

    An answer with a status of 400 or more undoes everything that the request changed. Through a
    restart of PostgreSQL, reads are tried again until it is back; writes only where they could not
    even connect, so that nothing is done twice.
    """

    request_class = BoundedRequest
    url_rule_class = LazyRule
    db: SQLAlchemy
    pauses: tuple[float, ...] = _PAUSES

    def full_dispatch_request(self) -> Response:
        """Answer the request, again and again while the database is away."""
        request_id.set(uuid7().hex)
        hosts = self.config["STUDIO_HOSTS"]
        if hosts is not None and not host_is_trusted(request.host, hosts):
            # A page of ours would hold addresses under the made-up name.
            return Response(
                "The studio does not answer under this name; STUDIO_PUBLIC_URL gives it one.\n",
                400,
                mimetype="text/plain",
            )
        for pause in self.pauses:
            g.may_try_again = True
            try:
                return super().full_dispatch_request()
            except _DatabaseLostError:
                self._forget_attempt()
                time.sleep(pause)
        g.may_try_again = False
        return super().full_dispatch_request()

    def preprocess_request(self) -> ResponseReturnValue | None:
        """What comes before every view, which for files and probes is nothing: who asks is not looked up."""
        return None if request.endpoint in _FOR_EVERYBODY else super().preprocess_request()

    def dispatch_request(self) -> ResponseReturnValue:
        """Have the view do its work in one transaction, committed before the answer leaves."""
        session = self.db.session()
        if only_reads(self):
            without_writing(session)
        try:
            with transaction(session):
                response = self.make_response(super().dispatch_request())
                _undo_if_refused(response)
        except _RefusedError as refused:
            response = refused.response
        return response

    def handle_user_exception(self, e: Exception) -> HTTPException | ResponseReturnValue:
        """Try again where that is safe; say in words that the database is away; else as registered."""
        if is_connection_loss(e):
            if g.get("may_try_again") and (request.method in {"GET", "HEAD"} or never_connected(e)):
                raise _DatabaseLostError from e
            log.warning("the database does not answer: %s", type(e).__name__)
            # Who asks cannot be found out, and the page that says so must not try.
            g._login_user = AnonymousUserMixin()  # noqa: SLF001 - Where Flask-Login keeps the person of the request.
            e = UnavailableError("The database does not answer just now. Nothing was lost; try again in a moment.")
        return super().handle_user_exception(e)

    def log_exception(self, exc_info: Any) -> None:
        """Tell the server's log that there was an error, and no more: values and texts stay out of it."""
        log.error(
            "%s at %s; the error log has it, request %s", exc_info[0].__name__, request.endpoint, request_id.get()
        )

    def _forget_attempt(self) -> None:
        self.db.session.remove()
        for name in ("_login_user", "studio_actor", "csrf_valid", "identity"):
            g.pop(name, None)
        for file in request.files.values():
            file.stream.seek(0)


def _undo_if_refused(response: Response) -> None:
    if response.status_code >= 400:  # noqa: PLR2004 - The first status of a refusal.
        raise _RefusedError(response)


def never_connected(error: BaseException) -> bool:
    """Whether no statement of the request had reached the database yet when `error` came up."""
    return isinstance(error, sa.exc.DBAPIError) and error.statement is None and not error.connection_invalidated


def create_app(settings: Settings, *, connection: sa.Connection | None = None) -> Studio:
    """The application for `settings`, ready to serve.

    With `connection`, all of its transactions become savepoints on it: a test undoes
    them. Raises LookupError where a route declares no permission.
    """
    if settings.database_url is None or settings.redis_url is None:
        raise ValueError("The application needs a database and Redis; `python -m studio up` starts both.")
    app = Studio("studio", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "studio" / "static"))
    app.config.update(
        SECRET_KEY=secret_key(settings),
        STUDIO_HOSTS=trusted_hosts(settings),
        MAX_CONTENT_LENGTH=MOST_BODY,
        MAX_FORM_MEMORY_SIZE=MOST_FORM_TEXT,
        MAX_FORM_PARTS=MOST_FORM_PARTS,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        WTF_CSRF_TIME_LIMIT=None,
        SQLALCHEMY_DATABASE_URI=settings.database_url.get_secret_value(),
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(pool=settings.database_pool),
    )
    session_options: dict[str, Any] = {"class_": RequestSession, "expire_on_commit": False}
    if connection is not None:
        session_options |= {"bind": connection, "join_transaction_mode": "create_savepoint"}
    app.db = SQLAlchemy(app, metadata=tables.metadata, session_options=session_options)
    if settings.behind_proxy:
        hops = settings.behind_proxy
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.session_interface = LastingSessions()
    queue_connection = queue.connect(settings)
    with app.app_context():
        for engine in app.db.engines.values():
            watched(engine)
        resources = Resources(
            settings=settings,
            db=app.db,
            redis=queue_connection,
            engine=app.db.engine if connection is None else connection,
            own_session=_own_session(app, connection),
        )
        app.extensions["studio"] = resources
        work.set_nudge(queue.nudge(queue_connection))
        if connection is None:
            breaker.share(SharedCircuits(resources.own_session))
        csrf = CSRFProtect(app)
        declare_public(app, ("static",))
        headers.init_headers(app)
        i18n.init_i18n(app)
        errors.init_errors(app)
        rendering.init_rendering(app)
        init_sign_in(app, resources)
        preferences.init_preferences(app)
        probes.init_probes(app)
        payment_events.init_payment_events(app, csrf)
        admin_views.register(app, resources)

    @app.after_request
    def _name_request(response: Response) -> Response:
        response.headers["X-Request-ID"] = request_id.get() or ""
        return response

    return app


def trusted_hosts(settings: Settings) -> list[str] | None:
    """The names under which the studio answers; None is any, where it listens to others and nobody said its name.

    A link that is built from a made-up name would send a password to whoever made it up.
    """
    public = urlsplit(settings.public_url or "").hostname
    if public is None and (settings.behind_proxy or settings.host not in _THIS_MACHINE):
        return None
    return [*_THIS_MACHINE, *([public] if public else [])]


def _own_session(app: Studio, connection: sa.Connection | None) -> Callable[[], AbstractContextManager[Session]]:
    @contextmanager
    def on_connection() -> Iterator[Session]:
        with (
            Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session,
            transaction(session),
        ):
            yield session

    # Found now, in the application's context: streams ask for a session when their request's context is gone.
    engine = app.db.engine

    def on_engine() -> AbstractContextManager[Session]:
        return session_scope(engine)

    return on_engine if connection is None else on_connection
