"""What people's jobs may cost in a month and have cost, on the screen."""

from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import joinedload

from admin_views import ui
from admin_views.base import StudioModelView, expose
from admin_views.formats import month_label
from admin_views.listing import Column, Filter
from admin_views.resources import Resources, resources
from admin_views.session import current_actor
from admin_views.work.labels import micro_label
from admin_views.work.unpriced import unpriced_sentences
from studio.accounts.permissions import Actor, Permission
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError
from studio.kit.paging import Key
from studio.kit.text import storable
from studio.operations import budgets as given
from studio.work import budgets
from studio.work.models import PersonBudget
from studio.work.rules import MICRO, month_of

KIND_LABELS = {
    "language": _l("language models"),
    "embeddings": _l("embeddings"),
    "images": _l("pictures"),
    "speech": _l("speech"),
}
"""What people read for what costs something."""

_TYPED = {"email": 254, "limit": 40}
"""The fields of a budget, and how much of what was typed is shown again."""


def _spent(budget: PersonBudget) -> int:
    return budget.spent_micro if budget.month == month_of(utc_now()) else 0


def _money(micro: int) -> str:
    return micro_label(micro, resources().settings.language_currency)


def _limit_of(budget: PersonBudget) -> int | None:
    if budget.limit_micro is not None:
        return budget.limit_micro
    return resources().settings.budget_micro or None


def _limit_cell(budget: PersonBudget) -> Markup | str:
    limit = _limit_of(budget)
    if limit is None:
        return str(_("no limit"))
    if budget.limit_micro is not None:
        return _money(limit)
    return Markup('{}<br><span class="text-secondary">{}</span>').format(_money(limit), _("the studio's"))


def _share_cell(budget: PersonBudget) -> Markup | str:
    limit = _limit_of(budget)
    if limit is None:
        return ""
    return ui.progress(min(100 * _spent(budget) // max(limit, 1), 100), str(_("Spent of the budget")))


class BudgetsView(StudioModelView):
    """Everybody whose jobs cost something, or who has a limit of their own; who spent most this month first."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": Permission.BUDGET_WRITE,
        "details_view": Permission.BUDGET_WRITE,
        "set_limit": Permission.BUDGET_WRITE,
        "give": Permission.BUDGET_WRITE,
    }
    menu_section = "operations"
    menu_icon = "coin"
    menu_order = 14
    columns = (
        Column("person", _l("Person"), cell=lambda row: row.user.name),
        Column("spent", _l("This month"), cell=lambda row: _money(_spent(row)), numeric=True),
        Column("limit", _l("May cost"), cell=_limit_cell, numeric=True),
        Column("share", _l("Used"), cell=_share_cell, wide_only=True),
    )
    orders: ClassVar[Any] = {
        "spent": (Key(PersonBudget.month), Key(PersonBudget.spent_micro), Key(PersonBudget.user_id))
    }
    default_sort = ("spent", True)
    filters = (
        Filter(
            "own",
            _l("Limit"),
            lambda value: (
                PersonBudget.limit_micro.is_not(None) if value == "own" else PersonBudget.limit_micro.is_(None)
            ),
            choices=[("own", _l("of their own")), ("studio", _l("the studio's"))],
            quick=True,
        ),
    )
    load = (joinedload(PersonBudget.user),)
    list_template = "work/budgets.html"
    details_template = "work/budget.html"
    empty_title = _l("Nothing was spent yet")
    empty_text = _l(
        "Whoever's jobs cost something stands here by itself. To limit somebody beforehand, give them a budget."
    )
    empty_icon = "coin"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Whoever gives budgets sees them all."""
        return given.budget_visible_to(actor)

    def row_title(self, row: PersonBudget) -> str:
        """Whose budget it is."""
        return str(row.user.name)

    def list_context(self, rows: Any) -> dict[str, Any]:
        """What everybody else may spend."""
        studio = self.resources.settings.budget_micro
        refused = g.get("refused_budget") or dict.fromkeys(("email", "limit", "email_error", "limit_error"), "")
        return {
            **super().list_context(rows),
            **refused,
            "studio_limit": _money(studio) if studio else "",
            "unpriced": unpriced_sentences(self.resources),
        }

    def details_context(self, row: PersonBudget) -> dict[str, Any]:
        """How the person stands, and what was spent before."""
        settings, now = self.resources.settings, utc_now()
        own = row.limit_micro
        return {
            "standing": budgets.standing(
                self.request_session, user_id=row.user_id, default_micro=settings.budget_micro, now=now
            ),
            "history": budgets.history(self.request_session, user_id=row.user_id),
            "money": _money,
            "own_limit": "" if own is None else f"{Decimal(own) / MICRO:f}",
            "studio_limit": _money(settings.budget_micro) if settings.budget_micro else "",
            "currency": settings.language_currency,
            "month_label": month_label,
            "kind_label": lambda kind: KIND_LABELS.get(kind, kind),
        }

    @expose("/<uuid:row_id>/limit", methods=("POST",))
    def set_limit(self, row_id: UUID) -> ResponseReturnValue:
        """Give the person another limit."""
        session, actor = self.request_session, current_actor()
        try:
            given.set_limit(session, actor=actor, user_id=row_id, limit_micro=_sent_limit(), now=utc_now())
        except InvalidError as error:
            session.rollback()
            row, refused = self.get_one(row_id), _refused(error)
            shown = {"own_limit": refused["limit"], "limit_error": refused["limit_error"]}
            return self.render(self.details_template, row=row, **self.details_context(row) | shown), error.status
        flash(_("Saved. Jobs that wait for budget and fit in now go on by themselves."), "success")
        return redirect(url_for("budgets.details_view", row_id=row_id), 303)

    @expose("/give", methods=("POST",))
    def give(self) -> ResponseReturnValue:
        """Give a limit to somebody who has spent nothing yet."""
        session, actor, email = self.request_session, current_actor(), request.form.get("email", "")
        try:
            budget = given.give(session, actor=actor, email=email, limit_micro=_sent_limit(), now=utc_now())
        except InvalidError as error:
            session.rollback()
            g.refused_budget = _refused(error)
            return self.index_view(), error.status
        flash(_("Saved."), "success")
        return redirect(url_for("budgets.details_view", row_id=budget.user_id), 303)


def _sent_limit() -> int | None:
    """The limit that was typed, in millionths; None where the field was left empty."""
    text = request.form.get("limit", "").strip().replace(",", ".")
    if not text:
        return None
    try:
        limit = Decimal(text)
        # What is far beyond is not even multiplied: a short text can be a number of a million digits.
        if limit.is_finite() and abs(limit) <= given.MOST_MICRO:
            return int(limit * MICRO)
    except ArithmeticError:
        pass
    raise InvalidError(given.NO_BUDGET, fields={"limit": given.NO_BUDGET})


def _refused(error: InvalidError) -> dict[str, str]:
    """What was typed, and the sentence for each field, as the forms show them."""
    typed = {name: storable(request.form.get(name, ""))[:most] for name, most in _TYPED.items()}
    return typed | {f"{name}_error": str(_(error.fields[name])) if name in error.fields else "" for name in _TYPED}


def views(rooms: Resources) -> list[Any]:
    """The views of this module."""
    return [BudgetsView(rooms, PersonBudget, name=_l("Budgets"), endpoint="budgets")]
