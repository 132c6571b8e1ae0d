"""The reasons that moderators can give: written in both languages, tied to a field, put in order, taken out of use."""

from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from flask import g
from flask_babel import format_decimal
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import Session
from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from admin_views import ui
from admin_views.base import Permission, StudioModelView
from admin_views.forms import StudioForm, whole_number
from admin_views.listing import Column, Filter, contains
from admin_views.market.labels import field_label, reason_message, reason_title
from admin_views.resources import Resources
from studio.accounts.permissions import Actor
from studio.kit.clock import utc_now
from studio.kit.paging import Key
from studio.market.models import REASON_LENGTHS, ReviewReason
from studio.market.review import reasons
from studio.market.review.reasons import Wording
from studio.market.review.rules import REVIEW_FIELDS

_P = Permission
_MOST_DIGITS = 5


class ReasonForm(StudioForm):
    """What is written of a reason. The service checks it."""

    title = StringField(_l("Name"), render_kw={"maxlength": REASON_LENGTHS["title"], "required": True})
    title_zh = StringField(_l("Name in Chinese"), render_kw={"maxlength": REASON_LENGTHS["title_zh"], "required": True})
    message = TextAreaField(
        _l("What the creator reads"),
        description=_l("Say what is wrong and what to do about it."),
        render_kw={"data-limit": REASON_LENGTHS["message"], "rows": 3, "required": True},
    )
    message_zh = TextAreaField(
        _l("What the creator reads, in Chinese"),
        render_kw={"data-limit": REASON_LENGTHS["message_zh"], "rows": 3, "required": True},
    )
    field = SelectField(
        _l("About"),
        description=_l("What it is about as a rule; a moderator can tie it to another field."),
        validate_choice=False,
    )
    sort_order = StringField(
        _l("Place"),
        description=_l("Lower numbers stand first in the moderator's list."),
        render_kw={"inputmode": "numeric", "autocomplete": "off", "maxlength": _MOST_DIGITS},
    )
    is_severe = BooleanField(
        _l("Severe: taking something down for it needs two people, and the same cannot be submitted again")
    )
    is_active = BooleanField(_l("In use: moderators can give it"))


def _name(row: ReviewReason) -> Markup:
    severe = ui.badge("severe") if row.is_severe else ""
    return Markup('{} {}<br><span class="reason-said">{}</span>').format(reason_title(row), severe, reason_message(row))


def _unbroken(text: str) -> Markup:
    return Markup('<span class="text-nowrap">{}</span>').format(text)


def _given(row: ReviewReason) -> str:
    return str(format_decimal(g.get("given_reasons", {}).get(row.id, 0)))


class ReviewReasonsView(StudioModelView):
    """All reasons, for who writes them, and to be read by who works or watches the desk."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": (_P.REASON_WRITE, _P.REVIEW_READ),
        "create_view": _P.REASON_WRITE,
        "edit_view": _P.REASON_WRITE,
        "delete_view": _P.REASON_WRITE,
    }
    menu_section = "market"
    menu_icon = "message-circle"
    menu_order = 25
    resource = reasons.RESOURCE
    columns = (
        Column("title", _l("Reason"), cell=_name),
        Column("field", _l("About"), cell=lambda row: _unbroken(field_label(row.field)), wide_only=True),
        Column(
            "is_active",
            _l("State"),
            cell=lambda row: _unbroken(
                ui.badge("active", _l("in use")) if row.is_active else ui.badge("withdrawn", _l("out of use"))
            ),
        ),
        Column("given", _l("Decisions so far"), cell=_given, numeric=True),
        Column("sort_order", _l("Place"), sort="place", numeric=True, wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {"place": (Key(ReviewReason.sort_order), Key(ReviewReason.id))}
    default_sort = ("place", False)
    filters = (
        Filter(
            "state",
            _l("State"),
            lambda value: ReviewReason.is_active == (value == "active"),
            choices=(("active", _l("in use")), ("off", _l("out of use"))),
            quick=True,
        ),
    )
    search_hint = _l("Name")
    form = ReasonForm
    edit_template = "review/reason.html"
    empty_title = _l("No reason is written yet")
    empty_text = _l("Moderators choose reasons when they send something back; the creator reads their sentences.")
    empty_icon = "message-circle"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """All of them."""
        return reasons.reason_visible_to(actor)

    def search(self, text: str) -> sa.ColumnElement[bool] | None:
        """Part of a name, in either language."""
        return sa.or_(contains(text, ReviewReason.title), contains(text, ReviewReason.title_zh))

    def list_context(self, rows: Sequence[ReviewReason]) -> dict[str, Any]:
        """How often each was given, read at once."""
        g.given_reasons = reasons.count_given(self.request_session, [row.id for row in rows])
        return {}

    def row_title(self, row: ReviewReason) -> str:
        """Its name, in the reader's language."""
        return reason_title(row)

    def make_form(self, row: ReviewReason | None = None) -> ReasonForm:
        """The form; a new reason is in use."""
        form = ReasonForm(obj=row)
        form.field.choices = [SelectChoice(name, field_label(name)) for name in ("", *REVIEW_FIELDS)]
        if row is None and not form.is_submitted():
            form.is_active.data, form.sort_order.data = True, "500"
        return form

    def form_context(self, row: ReviewReason | None) -> dict[str, Any]:
        """In how many decisions the reason stands."""
        given = {} if row is None else reasons.count_given(self.request_session, [row.id])
        return {"given": 0 if row is None else given.get(row.id, 0)}

    def do_create(self, session: Session, *, actor: Actor, form: ReasonForm) -> ReviewReason:
        """Write a new one."""
        return reasons.create(session, actor=actor, wording=_wording(form))

    def do_update(
        self, session: Session, *, actor: Actor, row: ReviewReason, row_version: int | None, form: ReasonForm
    ) -> ReviewReason:
        """Write it anew, or take it out of use."""
        return reasons.update(
            session, actor=actor, reason_id=row.id, row_version=row_version, wording=_wording(form), now=utc_now()
        )

    def do_delete(self, session: Session, *, actor: Actor, row: ReviewReason, row_version: int | None) -> None:
        """Delete one that nobody ever gave."""
        reasons.delete(session, actor=actor, reason_id=row.id, row_version=row_version)


def _wording(form: ReasonForm) -> Wording:
    try:
        place: int | None = whole_number(str(form.sort_order.data or "").strip())
    except ValueError:
        place = None
    return Wording(
        title=form.title.data or "",
        title_zh=form.title_zh.data or "",
        message=form.message.data or "",
        message_zh=form.message_zh.data or "",
        field=form.field.data or "",
        sort_order=place,
        is_severe=bool(form.is_severe.data),
        is_active=bool(form.is_active.data),
    )


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [ReviewReasonsView(resources, ReviewReason, name=_l("Reasons"), endpoint="review_reasons")]
