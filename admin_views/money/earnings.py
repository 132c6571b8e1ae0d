"""Earnings: what a creator earned, what waits and until when, closed statements with their files, and payouts."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import Response, flash, g, redirect, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, format_datetime, get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from admin_views import ui
from admin_views.base import Permission, StudioModelView, StudioView, expose
from admin_views.formats import month_label
from admin_views.forms import sentence
from admin_views.listing import Column, Filter
from admin_views.money import labels as money_labels
from admin_views.operations.csv_lists import neutral
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.times import zone_name
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.kit import pdf
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError, StudioError
from studio.kit.money import Money
from studio.kit.paging import Key
from studio.market.models import CreatorEarnings, Payout, PayoutStatus
from studio.market.money import corrections, earnings, ledger, payouts, policy, statements
from studio.market.money import queries as money_queries
from studio.market.money.statements import Line, Period

_P = Permission
_A_YEAR = timedelta(days=365)
_NEWEST = 6
MOST_PDF_LINES = 1_000


def _reason(row: Payout) -> str:
    return money_labels.reason_label(row.reason) if row.reason else ""


def _payee(row: Payout) -> str:
    return str(g.get("payees", {}).get(row.creator_id, ""))


def _earner(row: CreatorEarnings) -> str:
    return row.creator_name if current_actor().may(_P.MONEY_READ_ANY) else ""


def _with_name(text: str, name: str) -> Markup:
    """What a cell says, on a phone with whose it is below it."""
    return Markup('{}<span class="narrow-only text-secondary">{}</span>').format(text, name) if name else escape(text)


class EarningsView(StudioView):
    """A creator's own earnings."""

    permissions: ClassVar[Any] = {"index": _P.EARNINGS_READ_OWN, "destination": _P.EARNINGS_READ_OWN}
    menu_section = "money"
    menu_icon = "coin"
    menu_order = 10

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Balances, a chart, each character, what waits and until when, statements and payouts."""
        actor = current_actor()
        if actor.user_id is None:
            raise NotFoundError
        held = ledger.balances_of(self.session, creator_id=actor.user_id)
        currency = request.args.get("currency", "")
        if currency not in held:
            currency = max(held, key=lambda one: held[one].pending_minor + held[one].available_minor, default="USD")
        since = _months_ago(utc_now())
        months = earnings.by_month(self.session, creator_id=actor.user_id, currency=currency, since=since)
        own_statements = sa.select(CreatorEarnings).where(CreatorEarnings.creator_id == actor.user_id)
        own_payouts = sa.select(Payout).where(Payout.creator_id == actor.user_id)
        rules = policy.from_settings(self.resources.settings)
        return self.render(
            "money/earnings.html",
            held=held,
            currency=currency,
            chart=chart(months, currency),
            total=sum(one.amount_minor for one in months),
            characters=earnings.by_character(self.session, creator_id=actor.user_id, currency=currency, since=since),
            pending=money_queries.list_pending(self.session, creator_id=actor.user_id, currency=currency),
            statements=self.session.scalars(
                own_statements.order_by(CreatorEarnings.period_start.desc(), CreatorEarnings.id).limit(_NEWEST)
            ).all(),
            payouts=self.session.scalars(
                own_payouts.order_by(Payout.created_at.desc(), Payout.id.desc()).limit(_NEWEST)
            ).all(),
            corrections=corrections.newest(self.session, creator_id=actor.user_id, limit=_NEWEST),
            destination=payouts.find_destination(self.session, user_id=actor.user_id),
            minimum=rules.minimum(currency),
            hold_days=rules.hold.days,
            fee_percent=rules.fee_bps / 100,
            provider=self.resources.payments,
            **money_labels.labels(),
        )

    @expose("/destination", methods=("POST",))
    def destination(self) -> ResponseReturnValue:
        """Say where payouts go."""
        provider = self.resources.payments
        try:
            payouts.set_destination(
                self.session,
                actor=current_actor(),
                provider=provider.name,
                text=request.form.get("destination", ""),
                check=provider.checked_destination,
            )
        except StudioError as error:
            self.session.rollback()
            flash(sentence(error), "danger")
        else:
            flash(_("Saved. Your payouts go there from now on."), "success")
        return redirect(url_for("earnings.index"), 303)


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
        Column("character_name", _l("Character"), cell=lambda row: _with_name(row.character_name, _earner(row))),
        Column(
            "gross_minor",
            _l("Sales and corrections"),
            cell=lambda row: _amount(row, row.gross_minor),
            numeric=True,
            wide_only=True,
        ),
        Column("fee_minor", _l("Fee"), cell=lambda row: _amount(row, row.fee_minor), numeric=True, wide_only=True),
        Column("net_minor", _l("Earned"), cell=lambda row: _amount(row, row.net_minor), numeric=True),
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

        return _file(stream_with_context(written()), "text/csv", f"{_stem(row)}.csv")

    @expose("/<uuid:row_id>/statement.pdf")
    def pdf_file(self, row_id: UUID) -> ResponseReturnValue:
        """The statement as PDF; of very long ones the first thousand lines, which it says."""
        row = self.get_one(row_id)
        statements.verify(self.request_session, row)
        lines = list(islice(statements.lines_of(self.request_session, row), MOST_PDF_LINES))
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


class PayoutsView(StudioModelView):
    """Payouts: a creator's own, all of them for staff, who let held ones go and call off what was not begun."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": (_P.EARNINGS_READ_OWN, _P.MONEY_READ_ANY),
        "details_view": (_P.EARNINGS_READ_OWN, _P.MONEY_READ_ANY),
        "state": (_P.EARNINGS_READ_OWN, _P.MONEY_READ_ANY),
        "let_go": _P.PAYOUT_MAKE,
        "hold": _P.PAYOUT_MAKE,
        "call_off": _P.PAYOUT_MAKE,
    }
    menu_section = "money"
    menu_icon = "send"
    menu_order = 30
    columns = (
        Column(
            "created_at",
            _l("Made"),
            cell=lambda row: _with_name(ui.moment(row.created_at), _payee(row)),
            sort="created",
        ),
        Column("creator", _l("Creator"), cell=_payee, wide_only=True),
        Column("amount_minor", _l("Amount"), cell=lambda row: _amount(row, row.amount_minor), numeric=True),
        Column("status", _l("Status"), cell=lambda row: money_labels.payout_badge(row.status)),
        Column("paid_at", _l("Paid"), cell=lambda row: ui.moment(row.paid_at), wide_only=True),
        Column("reason", _l("Reason"), cell=_reason, wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {"created": (Key(Payout.created_at), Key(Payout.id))}
    default_sort = ("created", True)
    filters = (
        Filter(
            "status",
            _l("Status"),
            lambda value: Payout.status == value,
            choices=tuple((value.value, money_labels.PAYOUT_LABELS[value.value]) for value in PayoutStatus),
            quick=True,
        ),
    )
    details_template = "money/payout.html"
    empty_title = _l("No payouts yet")
    empty_text = _l("Once what is available reaches the minimum, it is paid out with the next batch.")
    empty_icon = "send"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """A creator's own; all for staff."""
        return money_queries.payout_visible_to(actor)

    def hidden(self, actor: Actor) -> frozenset[str]:
        """A creator knows whose payouts these are."""
        return frozenset() if actor.may(_P.MONEY_READ_ANY) else frozenset({"creator"})

    def row_title(self, row: Payout) -> str:
        """The amount and the day."""
        return f"{money_labels.amount(row.amount_minor, row.currency)} · {format_date(row.created_at)}"

    def list_context(self, rows: Any) -> dict[str, Any]:
        """Who is paid on this page, read once."""
        self._name([row.creator_id for row in rows])
        return {}

    def details_context(self, row: Payout) -> dict[str, Any]:
        """The payout, and for how long it can still be called off."""
        self._name([row.creator_id])
        is_waiting = row.status is PayoutStatus.PENDING
        return {
            "creator": g.payees.get(row.creator_id, ""),
            "seconds": money_labels.seconds_left(row.send_at, now=utc_now()) if is_waiting else 0,
            **money_labels.labels(),
        }

    def _name(self, ids: list[UUID]) -> None:
        if current_actor().may(_P.MONEY_READ_ANY):
            people = sa.select(User.id, User.name).where(User.id.in_(set(ids)))
            g.payees = dict(self.request_session.execute(people).all())
        else:
            g.payees = {}

    @expose("/<uuid:row_id>/state")
    def state(self, row_id: UUID) -> ResponseReturnValue:
        """Ask again, from its page, whether a payout has gone on; then the page is made anew."""
        return money_labels.anew_where_changed(self.get_one(row_id).status)

    @expose("/<uuid:row_id>/let-go", methods=("POST",))
    def let_go(self, row_id: UUID) -> ResponseReturnValue:
        """Send a held payout, or try one again that got stuck."""
        self.get_one(row_id)
        try:
            payout = payouts.let_go(
                self.request_session,
                actor=current_actor(),
                payout_id=row_id,
                provider=self.resources.payments.name,
                now=utc_now(),
            )
        except StudioError as error:
            self.request_session.rollback()
            flash(sentence(error), "danger")
        else:
            is_held = payout.status is PayoutStatus.HELD
            flash(
                _(payout.reason) if is_held else _("The payout goes on; it can be called off until it is sent."),
                "warning" if is_held else "success",
            )
        return redirect(url_for("payouts.details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/hold", methods=("POST",))
    def hold(self, row_id: UUID) -> ResponseReturnValue:
        """Keep back a payout that was not begun."""
        self.get_one(row_id)
        try:
            payouts.hold(self.request_session, actor=current_actor(), payout_id=row_id)
        except StudioError as error:
            self.request_session.rollback()
            flash(sentence(error), "danger")
        else:
            flash(_("Held. It goes nowhere until somebody of staff sends it, or calls it off."), "success")
        return redirect(url_for("payouts.details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/call-off", methods=("POST",))
    def call_off(self, row_id: UUID) -> ResponseReturnValue:
        """Call off a payout that was not begun."""
        self.get_one(row_id)
        try:
            payouts.cancel(
                self.request_session,
                actor=current_actor(),
                payout_id=row_id,
                reason=request.form.get("reason", "") or money_labels.CALLED_OFF,
                now=utc_now(),
            )
        except StudioError as error:
            self.request_session.rollback()
            flash(sentence(error), "danger")
        else:
            flash(_("Called off. The money is available to its creator again."), "success")
        return redirect(url_for("payouts.details_view", row_id=row_id), 303)


def chart(months: list[earnings.Month], currency: str) -> dict[str, Any]:
    """Months as the page's chart draws them, in major units."""
    return {
        "label": currency,
        "unit": currency,
        "labels": [month_label(one.begins_at.date()) for one in months],
        "values": [float(Money(one.amount_minor, currency).amount) for one in months],
    }


def month_of(row: CreatorEarnings) -> str:
    """The month of a statement in the reader's words."""
    return month_label(row.period_start)


def _months_ago(now: datetime) -> datetime:
    return Period.of((now - _A_YEAR).date()).begins_at


def _amount(row: Any, minor: int) -> Any:
    return money_labels.amount_mark(minor, row.currency)


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
    return [
        EarningsView(resources, name=_l("Earnings"), endpoint="earnings"),
        StatementsView(resources, CreatorEarnings, name=_l("Statements"), endpoint="statements"),
        PayoutsView(resources, Payout, name=_l("Payouts"), endpoint="payouts"),
    ]
