"""Lists as CSV: streamed at once up to a cap, beyond it written by a job, which asks the same lists for their rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import sqlalchemy as sa
from flask import Flask, Response, g, redirect, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy.orm import Session

from admin_views import i18n
from admin_views.guarded import Guarded
from admin_views.listing import Column
from admin_views.resources import Resources, request_session, resources
from admin_views.session import current_actor, remember_actor
from studio.accounts.models import User
from studio.kit.clock import utc_now
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.operations import exports
from studio.operations.exports import Line, neutral

__all__ = ["MOST_ROWS", "Exporting", "Lists", "neutral", "stream_csv"]

MOST_ROWS = 50_000
"""More rows than these are written by a job."""

_BATCH = 500


class Exporting(Guarded):
    """A list that can be had as CSV, by whoever may use `export_view`."""

    columns: ClassVar[Sequence[Column]]
    export_columns: ClassVar[Sequence[Column]] = ()
    load: ClassVar[Sequence[Any]]
    export_load: ClassVar[Sequence[Any] | None] = None
    """Loader options of an export, where they are not those of the list."""

    endpoint: str
    name: Any
    list_state: Any
    filtered: Any
    order_keys: Any
    shown_columns: Any

    @expose("/export.csv", methods=("GET", "POST"))
    def export_view(self) -> ResponseReturnValue:
        """The list as CSV; for more rows than the cap, a page that offers to have it written, and the job."""
        state = self.list_state()
        query = self.filtered(state)
        if request.method == "POST":
            made = exports.ask(
                request_session(),
                actor=current_actor(),
                list_name=self.endpoint,
                arguments=request.query_string.decode("ascii", "replace"),
                locale=i18n.chosen_locale(),
                now=utc_now(),
            )
            return redirect(url_for("exports.details_view", row_id=made.id), 303)
        count = request_session().scalar(
            sa.select(sa.func.count()).select_from(
                query.with_only_columns(sa.literal(1), maintain_column_froms=True).limit(MOST_ROWS + 1).subquery()
            )
        )
        if (count or 0) > MOST_ROWS:
            return self.render("operations/long_export.html", most=MOST_ROWS, here=request.full_path)
        return _download(resources(), self.exported, f"{self.endpoint}.csv")

    def exported(self, session: Session) -> Iterator[Line]:
        """The titles, then the rows that the present request asks for, read by the server's cursor."""
        columns: list[Column] = self.shown_columns(self.export_columns or self.columns)
        state = self.list_state()
        options = self.load if self.export_load is None else self.export_load
        statement = (
            self.filtered(state)
            .order_by(*(key.order() for key in self.order_keys(state)))
            .options(*options)
            .execution_options(yield_per=_BATCH)
        )
        yield [str(column.label) for column in columns]
        for row in session.scalars(statement):
            yield [column.exported(row) for column in columns]


class Lists:
    """The lists of an application, for the job that writes long ones; the `ListSource` of `studio.operations.exports`."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    @contextmanager
    def open(
        self, *, person: User, list_name: str, arguments: str, locale: str, session: Session
    ) -> Iterator[Iterator[Line]]:
        """The list as `person` would get it now: their permission, scope, hidden columns, language and time zone."""
        with self._app.test_request_context(f"/?{arguments}", headers={"Cookie": f"{i18n.COOKIE}={locale}"}):
            view = export_of(self._app, list_name)
            # Where Flask-Login keeps the person of a request.
            g._login_user = person  # noqa: SLF001
            remember_actor(person.actor)
            if not view.may("export_view"):
                raise ForbiddenError
            yield view.exported(session)


def export_of(app: Flask, list_name: str) -> Exporting:
    """The list of that name; raises NotFoundError."""
    for admin in app.extensions["admin"]:
        for view in admin._views:  # noqa: SLF001 - Flask-Admin offers no other way to its views.
            if view.endpoint == list_name and isinstance(view, Exporting):
                return view
    raise NotFoundError


def stream_csv(
    resources: Resources,
    query: sa.Select[Any],
    columns: Sequence[Column],
    *,
    filename: str,
    options: Sequence[Any] = (),
) -> Response:
    """The rows of `query` as a download that is written while it is read; memory does not grow with the list."""
    statement = query.options(*options).limit(MOST_ROWS).execution_options(yield_per=_BATCH)

    def lines(session: Session) -> Iterator[Line]:
        yield [str(column.label) for column in columns]
        for row in session.scalars(statement):
            yield [column.exported(row) for column in columns]

    return _download(resources, lines, filename)


def _download(resources: Resources, lines: Callable[[Session], Iterator[Line]], filename: str) -> Response:
    def text() -> Iterator[str]:
        with resources.own_session() as session:
            yield from exports.as_csv(lines(session))

    return Response(
        # The context of the request stays open until the last row is sent.
        stream_with_context(text()),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "private, no-store"},
    )
