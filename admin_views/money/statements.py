"""Closed statements: their pages, and their files of all lines."""

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import Response, stream_with_context
from flask.typing import ResponseReturnValue
from flask_babel import format_date, format_datetime, get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.base import Permission, StudioModelView, expose
from admin_views.formats import month_label
from admin_views.listing import Column
from admin_views.money import labels as money_labels
from admin_views.operations.csv_lists import neutral
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.times import zone_name
from studio.accounts.permissions import Actor
from studio.kit import pdf
from studio.kit.paging import Key
from studio.market.models import CreatorEarnings
from studio.market.money import queries as money_queries
from studio.market.money import statements
from studio.market.money.statements import Line

_P = Permission

MOST_PDF_LINES = 1_000
_BEFORE, _AFTER = _l("Carried over from before"), _l("At the end of the month")


def _earner(row: CreatorEarnings) -> str:
    return row.creator_name if current_actor().may(_P.MONEY_READ_ANY) else ""


class StatementsView(StudioModelView):
    """Closed statements: a creator's own, all of them for staff."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": (_P.EARNINGS_READ_OWN, _P.MONEY_READ_ANY),
        "details_view": (_P.EARNINGS_READ_OWN, _P.MONEY_READ_ANY),
        "csv_file": (_P.EARNINGS_READ_OWN, _P.MONEY_READ_ANY),
        "pdf_file": (_P.EARNINGS_READ_OWN, _P.MONEY_READ_ANY),
    }
    menu_section = "money"
    menu_icon = "file-text"
    menu_order = 20
    columns = (
        Column("period_start", _l("Month"), cell=lambda row: str(month_of(row)), sort="period"),
        Column("creator_name", _l("Creator"), wide_only=True),
        Column(
            "character_name", _l("Character"), cell=lambda row: money_labels.with_name(row.character_name, _earner(row))
        ),
        Column(
            "gross_minor",
            _l("Sales and corrections"),
            cell=lambda row: money_labels.amount_mark(row.gross_minor, row.currency),
            numeric=True,
            wide_only=True,
        ),
        Column(
            "fee_minor",
            _l("Fee"),
            cell=lambda row: money_labels.amount_mark(row.fee_minor, row.currency),
            numeric=True,
            wide_only=True,
        ),
        Column(
            "net_minor",
            _l("Earned"),
            cell=lambda row: money_labels.amount_mark(row.net_minor, row.currency),
            numeric=True,
        ),
        Column("downloads", _l("Downloads"), numeric=True, wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {"period": (Key(CreatorEarnings.period_start), Key(CreatorEarnings.id))}
    default_sort = ("period", True)
    details_template = "money/statement.html"
    empty_title = _l("No statements yet")
    empty_text = _l("At the beginning of each month the month before is closed, with a statement for each character.")
    empty_icon = "file-text"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """A creator's own; all for staff."""
        return money_queries.statement_visible_to(actor)

    def hidden(self, actor: Actor) -> frozenset[str]:
        """A creator knows whose statements these are."""
        return frozenset() if actor.may(_P.MONEY_READ_ANY) else frozenset({"creator_name"})

    def row_title(self, row: CreatorEarnings) -> str:
        """The character and the month."""
        return f"{row.character_name} · {month_of(row)}"

    def details_context(self, row: CreatorEarnings) -> dict[str, Any]:
        """The first lines."""
        lines = list(islice(statements.lines_of(self.request_session, row), 100))
        return {
            "lines": lines,
            "carried": statements.carried(self.request_session, row),
            **money_labels.labels(),
        }

    @expose("/<uuid:row_id>/statement.csv")
    def csv_file(self, row_id: UUID) -> ResponseReturnValue:
        """All lines as CSV, streamed, after they gave the hash that the statement was closed with."""
        row = self.get_one(row_id)
        statements.verify(self.request_session, row)
        held = statements.carried(self.request_session, row)

        def written() -> Iterator[str]:
            # A byte order mark: spreadsheets otherwise misread Chinese.
            yield "\ufeff" + _csv(
                [_("Time"), _("Kind"), _("Posting"), _("Sales and corrections"), _("Fee"), _("Earned"), _("Currency")]
            )
            with self.resources.own_session() as session:
                for line in statements.lines_of(session, row):
                    yield _csv([line.occurred_at.isoformat(), *_cells(line, row.currency), row.currency])
            total = [
                money_labels.plain_amount(minor, row.currency)
                for minor in (row.gross_minor, row.fee_minor, row.net_minor)
            ]
            yield _csv([_("Total"), neutral(row.character_name), row.content_hash, *total, row.currency])
            # Beside the lines that the hash is of: the balance is of all characters together.
            for name, minor in ((_BEFORE, held.before_minor), (_AFTER, held.after_minor)):
                kept = money_labels.plain_amount(minor, row.currency)
                yield _csv([str(name), _("all characters together"), "", "", "", kept, row.currency])

        return _file(stream_with_context(written()), "text/csv", f"{_stem(row)}.csv")

    @expose("/<uuid:row_id>/statement.pdf")
    def pdf_file(self, row_id: UUID) -> ResponseReturnValue:
        """The statement as PDF; of very long ones the first thousand lines, which it says."""
        row = self.get_one(row_id)
        statements.verify(self.request_session, row)
        lines = list(islice(statements.lines_of(self.request_session, row), MOST_PDF_LINES))
        held = statements.carried(self.request_session, row)
        note = ""
        if row.line_count > MOST_PDF_LINES:
            note = _(
                "The first %(most)d of %(all)d lines; the CSV file has all.", most=MOST_PDF_LINES, all=row.line_count
            )
        made = pdf.write(
            pdf.Sheet(
                title=_("Statement of earnings"),
                subtitle=self.row_title(row),
                facts=[
                    (_("Creator"), row.creator_name),
                    (_("Character"), row.character_name),
                    (_("Period"), f"{format_date(row.period_start, rebase=False)} – {_last_day(row)} (UTC)"),
                    (_("Downloads"), str(row.downloads)),
                    (_("Sales and corrections"), money_labels.amount(row.gross_minor, row.currency)),
                    (_("Fee of the platform"), money_labels.amount(row.fee_minor, row.currency)),
                    (_("Earned"), money_labels.amount(row.net_minor, row.currency)),
                    *(
                        (
                            str(name),
                            f"{money_labels.amount(minor, row.currency)} ({_('all characters together')})",
                        )
                        for name, minor in ((_BEFORE, held.before_minor), (_AFTER, held.after_minor))
                    ),
                    (_("Closed"), f"{format_datetime(row.closed_at, 'yyyy-MM-dd HH:mm')} ({zone_name()})"),
                    *([(_("Note"), note)] if note else []),
                ],
                header=[
                    _("Time (%(zone)s)", zone=zone_name()),
                    _("Kind"),
                    _("Sales and corrections"),
                    _("Fee"),
                    _("Earned"),
                ],
                widths=[32, 26, 28, 18, 18],
                rows=[
                    [
                        format_datetime(line.occurred_at, "yyyy-MM-dd HH:mm"),
                        str(money_labels.POSTING_LABELS[str(line.kind)]),
                        *(
                            money_labels.amount(minor, row.currency)
                            for minor in (line.gross_minor, line.fee_minor, line.net_minor)
                        ),
                    ]
                    for line in lines
                ],
                total=[
                    _("Total"),
                    "",
                    *(
                        money_labels.amount(minor, row.currency)
                        for minor in (row.gross_minor, row.fee_minor, row.net_minor)
                    ),
                ],
                footer=f"SHA-256 {row.content_hash}",
                language=str(get_locale() or "en").replace("_", "-"),
                made_at=row.closed_at,
            )
        )
        return _file(made, "application/pdf", f"{_stem(row)}.pdf")


def month_of(row: CreatorEarnings) -> str:
    """The month of a statement in the reader's words."""
    return month_label(row.period_start)


def _last_day(row: CreatorEarnings) -> str:
    return str(format_date(row.period_end - timedelta(days=1), rebase=False))


def _cells(line: Line, currency: str) -> list[str]:
    amounts = [
        money_labels.plain_amount(minor, currency) for minor in (line.gross_minor, line.fee_minor, line.net_minor)
    ]
    return [str(money_labels.POSTING_LABELS[str(line.kind)]), str(line.transaction_id), *amounts]


def _csv(values: list[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(values)
    return written.getvalue()


def _stem(row: CreatorEarnings) -> str:
    return f"statement-{row.period_start:%Y-%m}-{row.currency}-{str(row.id)[-12:]}"


def _file(body: Any, mimetype: str, name: str) -> Response:
    response = Response(body, mimetype=mimetype)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [StatementsView(resources, CreatorEarnings, name=_l("Statements"), endpoint="statements")]
